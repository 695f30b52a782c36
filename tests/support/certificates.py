"""A certificate authority of a test's own."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ONE_DAY = datetime.timedelta(days=1)
LOOPBACK = ipaddress.ip_address("127.0.0.1")


class Authority:
    """Signs server certificates; `ca` is the file that clients trust, `cert` and `key` are the server's."""

    def __init__(self, folder, *names):
        self.names = names
        self.ca, self.cert, self.key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
        self.ca_key = ec.generate_private_key(ec.SECP256R1())
        self.ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's authority")])
        certificate = self._sign(self.ca_name, self.ca_key, x509.BasicConstraints(ca=True, path_length=0))
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.renew()

    def renew(self):
        """Puts a new certificate and key into the files; its serial number."""
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in self.names] + [x509.IPAddress(LOOPBACK)])
        return self._issue(self.names[0], alternative, self.cert, self.key)

    def client(self, name):
        """A certificate of a client of this name; the files of it and of its key."""
        files = [self.ca.with_name(f"{name}.{what}.pem") for what in ("cert", "key")]
        self._issue(name, x509.BasicConstraints(ca=False, path_length=None), *files)
        return files

    def _issue(self, name, extension, cert, key_file):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, extension)
        cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key_file.touch(mode=0o600)
        key_file.write_bytes(key.private_bytes(*pem))
        return certificate.serial_number

    def _sign(self, subject, key, extension):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.ca_name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - ONE_DAY)
        builder = builder.not_valid_after(now + ONE_DAY).add_extension(extension, critical=False)
        return builder.sign(self.ca_key, hashes.SHA256())
