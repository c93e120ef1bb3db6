//! The commands, one file each: arguments, what they do, and what they print. A command
//! takes the clock, standard input and output from `main`, so that a test can give its own.

pub mod diff;
pub mod explain;
pub mod live;
pub mod local;
pub mod roll_back;
pub mod run;
pub mod validate;
