// Ids in the spelling by which they are compared. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@Suite struct JSONStringTests {
    static let spellings: [(String, String)] = [
        ("", ""), ("plain é😀", "plain é😀"),
        // What needs no escape.
        (#"\u0061\/b"#, "a/b"), (#"\u00e9\u00E9"#, "éé"), (#"\ud83d\uDE00"#, "😀"), (#"\uDBFF\uDFFF"#, "\u{10FFFF}"), (#"\u007f"#, "\u{7F}"),
        // What needs one, in one way.
        (#"\"\\\b\f\n\r\t"#, #"\"\\\b\f\n\r\t"#), (#"\u0022\u005C\u0008\u000c\u000A\u000d\u0009"#, #"\"\\\b\f\n\r\t"#),
        (#"\u0000\u001F"#, #"\u0000\u001f"#),
        // A backslash that stands for itself begins nothing.
        (#"\\u0061"#, #"\\u0061"#), (#"\u005cu0061"#, #"\\u0061"#), (#"\\/"#, #"\\/"#),
        // Lone surrogates stay apart from each other and from U+FFFD.
        (#"\uD83D"#, #"\ud83d"#), (#"\uDE00\uD83D"#, #"\ude00\ud83d"#), (#"\ud83d\u0041"#, #"\ud83dA"#),
        (#"\ud800\ud83d\ude00"#, #"\ud800😀"#), (#"\ufffd"#, "\u{FFFD}"),
        // What no scanner lets through: the beginning of a message that was too large.
        (#"\u12"#, #"\u12"#), (#"\u12g4a"#, #"\u12g4a"#), (#"\x\"#, #"\x\"#), (#"\ud83d\u"#, #"\ud83d\u"#),
    ]

    @Test(arguments: spellings) func equalStringsHaveEqualBytes(_ contents: String, _ plain: String) {
        #expect(JSONString.plain(bytes(contents).span.bytes) == bytes(plain))
        #expect(JSONString.plain(bytes(plain).span.bytes) == bytes(plain))
    }

    /// Against the parser: every pair of halves, and every character written as an escape.
    @Test func meansTheSameText() throws {
        for unit in 0..<0x1_0000 as Range<UInt32> where unit < 0x200 || unit % 97 == 0 || (0xD7F0..<0xE010).contains(unit) {
            let digits = Hex.encode([UInt8(unit >> 8), UInt8(unit & 0xFF)])
            for contents in ["\\u" + digits, "\\ud83d\\u" + digits, "x\\u" + digits + "\\ude00"] {
                let plain = JSONString.plain(bytes(contents).span.bytes)
                let quoted = [0x22] + plain + [0x22]
                #expect(plain.count <= contents.utf8.count)
                #expect(try JSONValue(parsing: quoted) == JSONValue(parsing: bytes("\"" + contents + "\"")), "\(contents)")
            }
        }
    }

    @Test func onlyAnIDWithEscapesSaysSo() throws {
        for (text, isEscaped) in [
            (#"{"id":"a"}"#, false), (#"{"id":"é"}"#, false), (#"{"id":"\u0061"}"#, true), (#"{"id":"\/","id":"b"}"#, false),
            (#"{"id":"b","id":"\/"}"#, true), (#"{"id":"\/","id":1}"#, false), (#"{"type":"\/","id":"a"}"#, false),
            (#"{"id":"a","data":{"id":"\/"}}"#, false), ("[]", false),
        ] {
            #expect(try JSON.validate(bytes(text).span.bytes, maxDepth: 4).hasEscapedID == isEscaped, "\(text)")
        }
    }
}
