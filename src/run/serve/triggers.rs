//! Who hears of changes: a task a connector, on the session's runtime, that says when to look. One that breaks is started
//! again after a pause; meanwhile, and where a directory cannot tell, it is asked every so often anyway.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::mpsc;

use super::followers::Word;
use super::moments::Moments;
use crate::connector::directory::Directory;

/// The pause before a watch that broke is begun again; it doubles while the watch breaks at once.
const PAUSE: Duration = Duration::from_secs(5);
/// It gets no longer than this: accounts are locked after so many wrong passwords.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// A watch may die without a word; it is begun anew after so long.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Says when something happens in a connector, for as long as somebody hears it.
pub(super) async fn listen(name: String, directory: Arc<Directory>, heard: Sender<Word>, moments: Moments) {
    let mut pause = PAUSE;
    loop {
        let begun = tokio::time::Instant::now();
        let (sender, mut receiver) = mpsc::channel(1);
        let watch = tokio::time::timeout(LONGEST, directory.watch(sender));
        let pass_on = async {
            while receiver.recv().await.is_some() {
                moments.said(&name);
                if heard.send(Word::Changed(name.clone())).is_err() {
                    return;
                }
            }
        };
        let (watched, ()) = tokio::join!(watch, pass_on);
        match watched {
            // It has no way to tell.
            Ok(Ok(false)) => return,
            // What happened while nobody listened is found when it is asked the next time.
            Ok(Ok(true)) | Err(_) => {}
            Ok(Err(_)) => {
                pause = if begun.elapsed() > LONGEST_PAUSE { PAUSE } else { pause };
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        if heard.send(Word::Changed(name.clone())).is_err() {
            return;
        }
    }
}
