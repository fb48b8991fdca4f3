//! Which choice a customer meant by what he typed.

/// The part of a message that is compared: lower case, `ё` as `е`, words with single spaces between them.
pub(crate) fn normal(text: &str) -> String {
    let cleared: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'ё' => 'е',
            c if c.is_alphanumeric() => c,
            _ => ' ',
        })
        .collect();
    cleared.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The candidate that `message` is, or else the one whose words it contains. When it contains words of several, the
/// longest decide; `None` when that leaves it open.
pub(crate) fn choose<'a, T: Copy + PartialEq>(
    message: &str,
    candidates: impl Iterator<Item = (T, &'a str)> + Clone,
) -> Option<T> {
    let message = normal(message);
    if message.is_empty() {
        return None;
    }
    if let Some((choice, _)) = candidates.clone().find(|(_, word)| normal(word) == message) {
        return Some(choice);
    }
    let padded = format!(" {message} ");
    let mut best: Option<(usize, Option<T>)> = None;
    for (choice, word) in candidates {
        let word = normal(word);
        if word.is_empty() || !padded.contains(&format!(" {word} ")) {
            continue;
        }
        let length = word.chars().count();
        best = match best {
            Some((longest, _)) if length < longest => best,
            Some((longest, found)) if length == longest && found != Some(choice) => Some((longest, None)),
            _ => Some((length, Some(choice))),
        };
    }
    best.and_then(|(_, choice)| choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANDIDATES: [(u8, &str); 5] =
        [(1, "продажи"), (1, "купить"), (2, "поддержка"), (2, "не работает"), (2, "счёт")];

    fn chosen(message: &str) -> Option<u8> {
        choose(message, CANDIDATES.into_iter())
    }

    #[test]
    fn case_and_punctuation_do_not_matter() {
        assert_eq!(chosen("  ПОДДЕРЖКА!"), Some(2));
        assert_eq!(chosen("Счет"), Some(2));
    }

    #[test]
    fn a_phrase_within_a_sentence_counts() {
        assert_eq!(chosen("у меня ничего не работает, помогите"), Some(2));
    }

    #[test]
    fn parts_of_words_do_not_count() {
        assert_eq!(chosen("перекупить"), None);
        assert_eq!(chosen(""), None);
        assert_eq!(chosen("?!"), None);
    }

    #[test]
    fn the_longest_words_decide_and_a_tie_decides_nothing() {
        assert_eq!(chosen("хочу купить, но сайт не работает"), Some(2));
        assert_eq!(choose("a b", [(1, "a"), (2, "b")].into_iter()), None);
        assert_eq!(choose("a b", [(1, "a"), (1, "b")].into_iter()), Some(1));
    }
}
