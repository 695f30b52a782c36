"""A certificate authority of a test run, and a certificate of it for this machine's loopback."""

import subprocess


def make(folder, names="DNS:localhost,IP:127.0.0.1"):
    """Writes `ca.pem`, `server.pem` and `server.key` into a folder and gives their paths."""
    ca, ca_key, cert, key = (folder / name for name in ("ca.pem", "ca.key", "server.pem", "server.key"))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl("req", "-x509", *curve, "-subj", "/CN=Sluice test authority", "-keyout", ca_key, "-out", ca)
    request = folder / "server.csr"
    openssl("req", "-new", *curve[:-2], "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    extensions = folder / "server.ext"
    extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", cert)
    key.chmod(0o600)
    return ca, cert, key


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
