//! What is known about a library once it has been tried: the vocabulary of the answer.

use alloc::vec::Vec;

/// Defines an enum whose variants are words of the answer, with the word for each.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the answer.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The number that stands for it in shared memory.
            pub fn number(self) -> u32 {
                self as u32
            }

            /// The one that `number` stands for.
            pub fn from_number(number: u32) -> Option<Self> {
                Self::ALL.get(usize::try_from(number).ok()?).copied()
            }
        }
    };
}

words! {
    /// Why a library did not load. `docs/dltest.md` explains each for callers.
    Kind {
        /// There is no such file.
        NotFound = "not_found",
        /// A directory, FIFO, socket or device.
        NotAFile = "not_a_file",
        /// The file exists and may not be read.
        Unreadable = "unreadable",
        /// A regular file of another format.
        NotALibrary = "not_a_library",
        /// A library in part: truncated, or with contradictions.
        Corrupt = "corrupt",
        /// For another processor, word size or byte order.
        WrongArch = "wrong_arch",
        /// Made for another C library than this build of the helper.
        WrongLibc = "wrong_libc",
        /// Needs a newer version of this C library.
        LibcTooOld = "libc_too_old",
        /// A library it needs, directly or not, is nowhere to be found.
        MissingDependency = "missing_dependency",
        /// A library it needs is there, and lacks a version.
        MissingVersion = "missing_version",
        /// A symbol it needs is defined nowhere.
        UndefinedSymbol = "undefined_symbol",
        /// Its thread-local storage must be there from the process's start.
        StaticTls = "static_tls",
        /// It demands an executable stack, which is refused.
        ExecStack = "exec_stack",
        /// It lies where nothing may be executed.
        Noexec = "noexec",
        /// A program, an object file, or a library that refuses dlopen.
        NotLoadable = "not_loadable",
        /// `--root` forbids it.
        OutsideRoot = "outside_root",
        /// The system refuses its code signature.
        CodeSignature = "code_signature",
        /// It died of a signal while it was loaded.
        Crashed = "crashed",
        /// It ended the process.
        Exited = "exited",
        /// It did not come back in time.
        Timeout = "timeout",
        /// It took too much memory.
        OutOfMemory = "out_of_memory",
        /// It started more processes than a library has reason to.
        ForkBomb = "fork_bomb",
        /// It had loaded, and died of a signal while it was unloaded.
        UnloadCrashed = "unload_crashed",
        /// It had loaded, and dlclose refused.
        UnloadFailed = "unload_failed",
        /// The helper did not come to test it.
        NotTested = "not_tested",
        /// The loader's message is of no known kind.
        Other = "other",
    }
}

words! {
    /// Where a library failed.
    Phase {
        /// Before any of its code was mapped.
        Check = "check",
        /// Inside dlopen.
        Load = "load",
        /// Inside dlopen, before its first constructor.
        Relocation = "relocation",
        /// Inside dlopen, in a constructor.
        Constructor = "constructor",
        /// Inside dlclose.
        Destructor = "destructor",
    }
}

/// Why and where a library did not load, and in whose words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub kind: Kind,
    /// Where.
    pub phase: Phase,
    /// For people; the loader's own message comes first where there is one.
    pub error: Vec<u8>,
    /// The signal it died of.
    pub signal: Option<i32>,
    /// The status it ended the process with.
    pub exit_code: Option<i32>,
    /// The libraries from the one tested to the one that needs what is missing.
    pub needed_by: Vec<Vec<u8>>,
    /// The places where the loader looked for what is missing.
    pub searched: Vec<Vec<u8>>,
}

impl Failure {
    /// A failure with no more than a message.
    pub fn new(kind: Kind, phase: Phase, error: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            phase,
            error: error.into(),
            signal: None,
            exit_code: None,
            needed_by: Vec::new(),
            searched: Vec::new(),
        }
    }
}

/// The answer for one library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Absent when the library loaded.
    pub failure: Option<Failure>,
    /// How long it took, in milliseconds; absent when it was not tried.
    pub ms: Option<u64>,
    /// The end of what it wrote to standard output and standard error.
    pub output: Vec<u8>,
}

impl Verdict {
    /// Whether the library loaded.
    pub fn loaded(&self) -> bool {
        self.failure.is_none()
    }

    /// One that was never tried, and why.
    pub fn not_tested(why: impl Into<Vec<u8>>) -> Self {
        let failure = Failure::new(Kind::NotTested, Phase::Check, why);
        Self { failure: Some(failure), ms: None, output: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_all_words() {
        let schema: serde_json::Value = serde_json::from_str(crate::PROTOCOL).expect("JSON");
        let listed = |field: &str| schema["$defs"]["entry"]["properties"][field]["enum"].clone();
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        let phases: Vec<&str> = Phase::ALL.iter().map(|phase| phase.word()).collect();
        assert_eq!(listed("kind"), serde_json::json!(kinds));
        assert_eq!(listed("phase"), serde_json::json!(phases));
    }

    #[test]
    fn words_survive_the_way_through_shared_memory() {
        for (index, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(kind.number() as usize, index);
            assert_eq!(Kind::from_number(kind.number()), Some(*kind));
        }
        assert_eq!(Kind::from_number(10_000), None);
    }
}
