//! Door 1: MQTT listeners over TCP and WebSocket.
