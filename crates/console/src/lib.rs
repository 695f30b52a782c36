//! Door 3: the web console.
