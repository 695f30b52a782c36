//! Door 2: the signed HTTP API that the vendor's SDKs speak.
