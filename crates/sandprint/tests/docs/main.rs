//! The documents for users, held against the program: its tables, its transcripts, its lists.

#[cfg(test)]
mod document;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod transcripts;
