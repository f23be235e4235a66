//! The documents at the root, held against the program: its tables, its transcripts, its lists.

#[cfg(test)]
#[path = "../support/expect.rs"]
mod expect;
#[cfg(test)]
#[path = "../support/sys.rs"]
mod sys;

#[cfg(test)]
mod document;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod transcripts;
