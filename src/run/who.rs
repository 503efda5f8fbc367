//! Who asks for something: the name that they give, and the account that the system knows.

use std::os::unix::fs::MetadataExt;

/// Who asks for something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// What they call themselves (`--as`); without, their account.
    pub name: String,
    /// Their account on this machine.
    pub account: String,
}

impl Who {
    /// Whoever runs this process, under a name that they gave.
    pub fn of(name: Option<&str>) -> Who {
        let account = account();
        Who { name: name.map_or_else(|| account.clone(), str::to_owned), account }
    }

    /// Whether this is them, by name or by account.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.account.eq_ignore_ascii_case(name)
    }
}

/// The account of this process; of `sudo`, who called it.
fn account() -> String {
    let user = std::fs::metadata("/proc/self").map(|own| own.uid());
    if let (Ok(0), Ok(caller)) = (&user, std::env::var("SUDO_USER")) {
        return caller;
    }
    let named = std::process::Command::new("id").arg("-un").output().ok().filter(|id| id.status.success());
    let name = named.and_then(|id| String::from_utf8(id.stdout).ok()).map(|name| name.trim().to_owned());
    let number = || user.map_or_else(|_| "unknown".into(), |user| format!("uid {user}"));
    name.filter(|name| !name.is_empty()).unwrap_or_else(number)
}
