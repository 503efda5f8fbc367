//! Passwords of new accounts: random, made when they are sent, kept by nobody.

use zeroize::Zeroizing;

/// Letters that look alike are left out: a person may have to type it once.
const CLASSES: [&[u8]; 4] = [b"abcdefghijkmnopqrstuvwxyz", b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"23456789", b"!#%+-=?_"];

/// So many random characters, of four classes in turn. Nothing when the machine has no randomness.
pub(super) fn random(length: u16) -> Option<Zeroizing<String>> {
    let length = usize::from(length);
    let mut bytes = Zeroizing::new(vec![0_u8; length * 2]);
    getrandom::fill(bytes.as_mut_slice()).ok()?;
    let mut text = Zeroizing::new(String::with_capacity(length));
    for (at, pair) in bytes.chunks_exact(2).enumerate() {
        let class = CLASSES.get(at % CLASSES.len()).copied().unwrap_or_default();
        let dice = pair.iter().fold(0_usize, |sum, byte| sum * 256 + usize::from(*byte));
        text.extend(class.get(dice % class.len()).map(|byte| char::from(*byte)));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_have_every_class() {
        let (one, other) = (random(40).unwrap(), random(40).unwrap());
        assert_ne!(*one, *other);
        assert_eq!((one.len(), random(12).unwrap().len()), (40, 12));
        for class in
            [char::is_lowercase, char::is_uppercase, |c: char| c.is_ascii_digit(), |c: char| c.is_ascii_punctuation()]
        {
            assert!(one.chars().any(class));
        }
    }
}
