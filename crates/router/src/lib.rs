//! Topic index per instance: who wants a message.
