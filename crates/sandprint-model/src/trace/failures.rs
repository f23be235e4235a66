//! What was tried with a path and failed, by error.

use crate::Rights;
use crate::errno::Errno;

/// What was tried and failed, by the error that it gave. A path mostly has one error or none, and there may be many
/// thousand paths: so no map, and no room that is not used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failures(Box<[(Errno, Rights)]>);

impl Failures {
    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What failed with that error.
    pub fn get(&self, error: Errno) -> Rights {
        let at = self.0.binary_search_by_key(&error, |(known, _)| *known).ok();
        at.and_then(|at| self.0.get(at)).map_or(Rights::NONE, |(_, rights)| *rights)
    }

    /// Each error, in order, with what failed so.
    pub fn iter(&self) -> impl Iterator<Item = (Errno, Rights)> {
        self.0.iter().copied()
    }

    /// Adds what failed with that error.
    pub fn add(&mut self, error: Errno, rights: Rights) {
        match self.0.binary_search_by_key(&error, |(known, _)| *known) {
            Ok(at) => {
                if let Some((_, known)) = self.0.get_mut(at) {
                    *known = known.and(rights);
                }
            }
            Err(at) => {
                let mut all = std::mem::take(&mut self.0).into_vec();
                all.insert(at, (error, rights));
                self.0 = all.into_boxed_slice();
            }
        }
    }

    /// All that failed, with whatever error.
    pub fn all(&self) -> Rights {
        self.iter().fold(Rights::NONE, |all, (_, rights)| all.and(rights))
    }
}

impl FromIterator<(Errno, Rights)> for Failures {
    fn from_iter<I: IntoIterator<Item = (Errno, Rights)>>(failures: I) -> Failures {
        let mut all = Failures::default();
        for (error, rights) in failures {
            all.add(error, rights);
        }
        all
    }
}

impl<const N: usize> From<[(Errno, Rights); N]> for Failures {
    fn from(failures: [(Errno, Rights); N]) -> Failures {
        failures.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Right;

    #[test]
    fn rights_of_an_error_add_up_and_errors_are_in_order() {
        let [read, write] = [Right::Read, Right::Write].map(|right| Rights::from([right]));
        let mut failures = Failures::from([(Errno(13), read), (Errno(2), read)]);
        failures.add(Errno(13), write);
        assert_eq!(failures.iter().collect::<Vec<_>>(), [(Errno(2), read), (Errno(13), read.and(write))]);
        assert_eq!((failures.get(Errno(2)), failures.get(Errno(1))), (read, Rights::NONE));
        assert_eq!(failures.all(), read.and(write));
        assert!(!failures.is_empty() && Failures::default().is_empty());
    }
}
