//! Explanations of policies that are small enough to be counted by hand.
