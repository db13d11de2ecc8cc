//! The checksum at the end of a gzip member (RFC 1952 section 8).

/// For four bytes at a time: a table of what a byte does that stands so far from the end.
static TABLES: [[u32; 256]; 4] = tables();

const POLYNOMIAL: u32 = 0xedb8_8320;

const fn tables() -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = (rest >> 1) ^ (POLYNOMIAL * (rest & 1));
            bit += 1;
        }
        tables[0][byte] = rest;
        byte += 1;
    }
    let mut distance = 1;
    while distance < 4 {
        let mut byte = 0;
        while byte < 256 {
            let nearer: u32 = tables[distance - 1][byte];
            tables[distance][byte] = (nearer >> 8) ^ tables[0][(nearer & 255) as usize];
            byte += 1;
        }
        distance += 1;
    }
    tables
}

/// A checksum in the making, its bits inverted.
pub(super) struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Crc32 {
        Crc32(!0)
    }
}

impl Crc32 {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let (fours, rest) = bytes.as_chunks();
        for four in fours {
            let mixed = (self.0 ^ u32::from_le_bytes(*four)).to_le_bytes();
            let entry = |position: usize| TABLES[3 - position][usize::from(mixed[position])];
            self.0 = entry(0) ^ entry(1) ^ entry(2) ^ entry(3);
        }
        for byte in rest {
            let index = (self.0 ^ u32::from(*byte)) & 255;
            self.0 = (self.0 >> 8) ^ TABLES[0][index as usize];
        }
    }

    pub(super) fn value(&self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pieces: &[&[u8]]) -> u32 {
        let mut checksum = Crc32::default();
        pieces.iter().for_each(|piece| checksum.add(piece));
        checksum.value()
    }

    #[test]
    fn the_checksum_is_the_one_that_everybody_has_however_the_bytes_come() {
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[b"123456789"]), 0xcbf4_3926);
        assert_eq!(of(&[b"1", b"2345", b"", b"678", b"9"]), 0xcbf4_3926);
        assert_eq!(
            of(&[b"The quick brown fox jumps over the lazy dog"]),
            0x414f_a339
        );
    }
}
