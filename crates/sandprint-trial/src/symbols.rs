//! Which function an offset of an ELF file belongs to.

use std::collections::BTreeMap;
use std::fs::File;

use object::read::ReadCache;
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _, SymbolKind};

/// The functions of one file: where each begins in the file, its length, its name.
#[derive(Debug, Default)]
pub(crate) struct Symbols(BTreeMap<u64, (u64, String)>);

/// A function without a length reaches to the next one, but no further than this.
const LONGEST_UNSIZED: u64 = 1 << 20;

impl Symbols {
    /// Reads them; a file that is no ELF file has none.
    pub(crate) fn read(file: &File) -> Symbols {
        let cache = ReadCache::new(file);
        let Ok(elf) = object::File::parse(&cache) else { return Symbols::default() };
        let segments: Vec<(u64, u64, u64)> = elf
            .segments()
            .map(|segment| (segment.address(), segment.size(), segment.file_range().0))
            .collect();
        let in_file = |address: u64| {
            let (start, _, offset) = segments
                .iter()
                .find(|(start, size, _)| (*start..start.saturating_add(*size)).contains(&address))?;
            Some(address - start + offset)
        };
        let mut functions = BTreeMap::new();
        for symbol in elf.dynamic_symbols().chain(elf.symbols()) {
            if symbol.kind() != SymbolKind::Text || symbol.is_undefined() {
                continue;
            }
            if let (Ok(name), Some(start)) = (symbol.name(), in_file(symbol.address()))
                && !name.is_empty()
            {
                // Of several names of one function the shortest: `write`, not `__libc_write`.
                let entry = functions.entry(start).or_insert_with(|| (symbol.size(), name.to_owned()));
                if name.len() < entry.1.len() {
                    *entry = (symbol.size().max(entry.0), name.to_owned());
                }
            }
        }
        Symbols(functions)
    }

    /// The function around an offset of the file.
    pub(crate) fn at(&self, offset: u64) -> Option<&str> {
        let (start, (size, name)) = self.0.range(..=offset).next_back()?;
        let size = if *size == 0 { LONGEST_UNSIZED } else { *size };
        (offset - start < size).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_this_very_program_are_found() {
        let file = File::open("/proc/self/exe").unwrap();
        let symbols = Symbols::read(&file);
        assert!(symbols.0.len() > 100);
        let (start, (size, name)) = symbols.0.iter().find(|(_, (size, _))| *size > 16).unwrap();
        assert_eq!(symbols.at(start + size / 2), Some(name.as_str()));
        assert_eq!(symbols.at(u64::MAX), None);
    }

    #[test]
    fn what_is_no_elf_file_has_no_functions() {
        assert_eq!(Symbols::read(&File::open("/proc/self/maps").unwrap()).at(0), None);
    }
}
