"""mosquitto_sub and mosquitto_pub as a client of the matrix: one process listens, one is started for each message."""

import signal
import subprocess
import urllib.parse

from clients.matrix import WAIT_S, Message, Program

VERSIONS = {3: "mqttv31", 4: "mqttv311", 5: "mqttv5"}
# Topic, QoS, retain, payload, user properties.
FORMAT = "message %t %q %r %p"


class Mosquitto:
    """A client of the matrix. It connects when it has something to subscribe or to publish."""

    def __init__(self, cell, name, stored, will, resumes):
        self.cell, self.stored, self.will = cell, stored, will
        self.client_id, self.username, self.secret = cell.login(name)
        self.name = f"{cell.row} over {cell.transport}, {name}"
        self.listening = None
        if resumes:
            self.listen(resumes)

    def common(self):
        """The options of both programs."""
        url = urllib.parse.urlsplit(self.cell.place.urls[self.cell.transport])
        options = ["-h", url.hostname, "-p", str(url.port), "-V", VERSIONS[self.cell.version], "-i", self.client_id]
        options += ["-u", self.username, "-P", self.secret]
        if self.cell.transport == "tls":
            options += ["--cafile", self.cell.place.ca]
        if self.will:
            options += ["--will-topic", self.will[0], "--will-payload", self.will[1], "--will-qos", "1"]
        return options

    def listen(self, filters):
        """Starts mosquitto_sub on filters; its session keeps those before. They have one QoS, and what comes has its publisher's."""
        if self.listening:
            self.stop()
        session = ["-c", *(["-x", "300"] if self.cell.version == 5 else [])] if self.stored else []
        filters = [part for filter in filters for part in ("-t", filter)]
        form = FORMAT + (" %P" if self.cell.version == 5 else "")
        # Into a pipe it would keep its words to itself.
        program = ["stdbuf", "-oL", "mosquitto_sub", "-d"]
        self.listening = Listening([*program, *self.common(), *session, "-q", "2", *filters, "-F", form], self.name)
        self.cell.programs.append(self.listening)
        self.listening.expect("subscribed")

    def subscribe(self, topic, qos):
        assert qos <= 2
        self.listen([topic])

    def publish(self, topic, payload, qos, retain=False, pairs=()):
        command = ["mosquitto_pub", *self.common(), "-t", topic, "-m", payload, "-q", str(qos), *(["-r"] if retain else [])]
        for pair in pairs:
            command += ["-D", "publish", "user-property", *pair.split("=")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
        assert done.returncode == 0, f"{self.name}: {done.stderr}"

    def message(self):
        return self.listening.message()

    def stop(self):
        """SIGTERM makes it disconnect in order."""
        self.listening.process.send_signal(signal.SIGTERM)
        self.listening.process.wait(WAIT_S)

    def disconnect(self):
        if self.listening:
            self.stop()

    def cut(self):
        """Lost while it listens, to its own will if to nothing else."""
        if not self.listening:
            self.listen(self.will[:1])
        self.listening.cut()


class Listening(Program):
    """mosquitto_sub, whose words for a subscription are its own."""

    def take(self, words):
        if words[:1] == ["message"]:
            topic, qos, retain, payload, *pairs = words[1:]
            names = [pair.replace(":", "=", 1) for pair in pairs]
            self.messages.put(Message(topic, payload, int(qos), retain == "1", tuple(names)))
        elif words[:1] == ["Subscribed"]:
            self.events.put(["subscribed"])
