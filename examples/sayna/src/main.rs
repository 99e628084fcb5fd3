//! `sayna`: a small HTTP server that ends when it is asked to.
//!
//! Exit codes: 0 done, 1 requests cut off or a probe that failed, 2 usage or configuration, 3 the address.

mod args;
mod config;
mod http;
mod server;
mod signals;

use std::io::Write as _;
use std::net::TcpListener;
use std::process::ExitCode;

use args::{Args, Run};

const USAGE: &str = "\
usage: sayna [--config FILE] [--listen ADDRESS] [--check]
       sayna --probe ADDRESS
       sayna --version | --help

  --config FILE      read settings from FILE
  --listen ADDRESS   address and port to serve on, such as 0.0.0.0:3001; before FILE's
  --check            say what is wrong with the settings, and serve nothing
  --probe ADDRESS    ask the server there whether it is healthy
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err((code, message)) => {
            eprintln!("sayna: {message}");
            ExitCode::from(code)
        }
    }
}

/// What went wrong: an exit code and a text.
type Failure = (u8, String);

fn run() -> Result<u8, Failure> {
    let args = Args::parse(std::env::args_os().skip(1))
        .map_err(|message| (2, format!("{message}\n{USAGE}")))?;
    match args.run {
        Run::Version => say(&format!("sayna {}\n", env!("CARGO_PKG_VERSION"))).map(|()| 0),
        Run::Help => say(USAGE).map(|()| 0),
        Run::Probe(address) => match http::probe(address) {
            Ok(()) => Ok(0),
            Err(error) => Err((1, format!("{address} is not healthy: {error}"))),
        },
        Run::Check => {
            let settings = args.settings().map_err(|message| (2, message))?;
            say(&format!("settings are valid: would listen on {}\n", settings.listen)).map(|()| 0)
        }
        Run::Serve => {
            let settings = args.settings().map_err(|message| (2, message))?;
            let listener = TcpListener::bind(settings.listen).map_err(|error| {
                let cure = "stop what listens there, or set `listen` to another address";
                (3, format!("cannot listen on {}: {error}; {cure}", settings.listen))
            })?;
            let address = listener.local_addr().map_err(|error| (3, error.to_string()))?;
            // From here on the signals are the server's; whoever reads the line may send one.
            signals::watch();
            say(&format!("listening on {address}\n"))?;
            match server::serve(&listener, &settings).map_err(|error| (3, error.to_string()))? {
                0 => Ok(0),
                cut => Err((1, format!("{cut} request(s) took too long to end and were cut off"))),
            }
        }
    }
}

/// Prints to stdout; a reader that went away is no failure of ours.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err((3, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
