//! A map that forgets what has not been touched for longest, in two generations: bounded, and cheap for each packet.

use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Table<K, V> {
    /// Of each generation.
    most: usize,
    young: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
}

impl<K: Ord + Copy, V> Table<K, V> {
    /// Holds at most twice `most`, and never forgets the last `most` that were touched.
    pub(super) fn new(most: usize) -> Self {
        Self { most, young: BTreeMap::new(), old: BTreeMap::new() }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.put(*key, value);
        }
        self.young.get_mut(key)
    }

    pub(super) fn entry_or(&mut self, key: K, value: V) -> &mut V {
        if self.get(&key).is_none() {
            self.put(key, value);
        }
        self.young.get_mut(&key).expect("put a moment ago")
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

impl<K: Ord + Copy, V: Default> Table<K, V> {
    pub(super) fn entry(&mut self, key: K) -> &mut V {
        self.entry_or(key, V::default())
    }
}
