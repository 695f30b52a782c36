//! One client's MQTT state machine, free of I/O.
