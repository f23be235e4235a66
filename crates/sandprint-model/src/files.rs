//! What is done to files: rights, each with its one word.

use std::fmt;

/// Makes the rights of a table with one row each: its name as a variant, as a word, and what it means.
macro_rules! rights {
    ($($right:ident, $word:literal, $what:literal;)+) => {
        /// One thing that can be done to a file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Right {
            $(#[doc = concat!($what, ".")] $right,)+
        }

        impl Right {
            /// Every right, in the order in which they are written.
            pub const ALL: [Right; [$($word),+].len()] = [$(Right::$right),+];

            /// The stable word.
            pub fn name(self) -> &'static str {
                match self { $(Right::$right => $word,)+ }
            }
        }
    };
}

rights! {
    Read, "read", "Its content is read";
    Write, "write", "Its content is written anywhere in it";
    Append, "append", "Its content is written at its end only";
    Create, "create", "It is made";
    Delete, "delete", "Its name is taken away";
    Rename, "rename", "It gets another name, or is the other name: both ends have it";
    Link, "link", "It gets a second name, or is that name: both ends have it";
    Execute, "execute", "It is executed, as a program, a script, or an interpreter";
    MapExec, "map-exec", "It is mapped as code";
    Metadata, "metadata", "What is known of it is read or changed: owner, mode, times, attributes, the end of a link, whether it is there";
    List, "list", "It is a directory, which is opened to be read";
    Truncate, "truncate", "It is made as long as is asked";
    Ioctl, "ioctl", "It is a device, which is controlled";
    Socket, "socket", "It is a socket, which is connected to, sent to, or bound";
}

impl Right {
    /// The right of that word.
    pub fn from_name(name: &str) -> Option<Right> {
        Right::ALL.into_iter().find(|right| right.name() == name)
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rights(u16);

impl Rights {
    /// No right.
    pub const NONE: Rights = Rights(0);

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether that right is in it.
    pub fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, right: Right) -> Rights {
        Rights(self.0 | right.bit())
    }

    /// All that are in either.
    #[must_use]
    pub fn and(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// These, but for those that are in the other.
    #[must_use]
    pub fn without(self, other: Rights) -> Rights {
        Rights(self.0 & !other.0)
    }

    /// The rights, in the order of [`Right::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }

    /// Reads the words back, as [`fmt::Display`] writes them. None where one is unknown, or there twice.
    pub fn parse(text: &str) -> Option<Rights> {
        if text.is_empty() {
            return Some(Rights::NONE);
        }
        text.split(',').try_fold(Rights::NONE, |rights, word| {
            let right = Right::from_name(word)?;
            (!rights.has(right)).then(|| rights.with(right))
        })
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Rights {
        rights.into_iter().fold(Rights::NONE, Rights::with)
    }
}

impl<const N: usize> From<[Right; N]> for Rights {
    fn from(rights: [Right; N]) -> Rights {
        rights.into_iter().collect()
    }
}

impl fmt::Display for Rights {
    /// The words, with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Right::name).collect();
        f.pad(&words.join(","))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_no_others_do() {
        for bits in 0..1_u16 << Right::ALL.len() {
            let rights = Rights(bits);
            assert_eq!(Rights::parse(&rights.to_string()), Some(rights));
        }
        for text in ["Read", "read,", ",read", "read,read", "read, write", "run"] {
            assert_eq!(Rights::parse(text), None, "{text}");
        }
        assert_eq!(
            Rights::from([Right::List, Right::Read, Right::MapExec]).to_string(),
            "read,map-exec,list"
        );
    }
}
