use std::process::ExitCode;

/// Every thread allocates and frees small things for each message, often those of another thread: glibc's takes locks and grows
/// its heaps for that (`make bench`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    server::cli::main()
}
