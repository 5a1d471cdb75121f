// Lower-case hexadecimal, both ways. Pure, any thread. SPDX-License-Identifier: Apache-2.0

public enum Hex {
    /// Two lower-case digits a byte.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        let digits: StaticString = "0123456789abcdef"
        return digits.withUTF8Buffer { digit in
            var out: [UInt8] = []
            out.reserveCapacity(bytes.count * 2)
            for byte in bytes {
                out.append(digit[Int(byte >> 4)])
                out.append(digit[Int(byte & 15)])
            }
            return String(decoding: out, as: UTF8.self)
        }
    }

    /// The value of one digit of either case; nil for any other byte.
    public static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x61...0x66: byte - 0x61 + 10
        case 0x41...0x46: byte - 0x41 + 10
        default: nil
        }
    }
}
