//! stub
use super::{Imported, ImportError};
pub(super) fn import(_bytes: &[u8]) -> Result<Imported, ImportError> { Err(ImportError::TooComplex) }
