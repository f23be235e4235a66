//! What C libraries were seen to call by their circumstances, and when programs start, is allowed by the policies that
//! follow from a recording that did not show it. `lab/learn-circumstances` recorded it.

#[cfg(test)]
mod held;
