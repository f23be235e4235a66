use super::ImportError;
use crate::Trace;
pub(super) fn import(_bytes: &[u8]) -> Result<Trace, ImportError> {
    Err(ImportError::Empty)
}
