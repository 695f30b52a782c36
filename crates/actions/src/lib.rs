//! What every management operation does.
