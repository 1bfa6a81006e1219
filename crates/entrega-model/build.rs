//! The models are part of the binary: a changed or new file makes it anew.

fn main() {
    println!("cargo:rerun-if-changed=../../models");
}
