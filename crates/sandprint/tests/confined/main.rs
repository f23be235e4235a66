//! `sandprint run` from outside: what it enforces, what it leaves as it is, and what it refuses to run.

#[cfg(test)]
mod enforcement;
#[cfg(test)]
mod landlock;
#[cfg(test)]
mod nested;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod support;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod transparency;
