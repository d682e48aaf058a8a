//! Checksums of files: CRCs of 32 bits.
//!
//! In: bytes. Out: the remainder of their polynomial, by a table of bytes, the lowest bit first.

/// The checksum of zip and gzip.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    remainder(&const { table(0xedb8_8320) }, bytes)
}

/// Castagnoli's, which TensorBoard's files have.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    remainder(&const { table(0x82f6_3b78) }, bytes)
}

fn remainder(table: &[u32; 256], bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |word, &byte| table[((word ^ u32::from(byte)) & 255) as usize] ^ word >> 8)
}

/// The remainder of each byte.
const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut word, mut bit) = (byte as u32, 0);
        while bit < 8 {
            word = if word & 1 == 1 { word >> 1 ^ polynomial } else { word >> 1 };
            bit += 1;
        }
        table[byte] = word;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_as_published() {
        assert_eq!((crc32(b"123456789"), crc32(b"")), (0xcbf4_3926, 0));
        assert_eq!((crc32c(b"123456789"), crc32c(&[0; 32])), (0xe306_9283, 0x8a91_36aa));
    }
}
