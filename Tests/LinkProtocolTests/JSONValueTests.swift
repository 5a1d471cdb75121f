// JSON as values, quoted text and timestamps. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@Suite struct JSONValueTests {
    static let canonical = [
        "null", "true", "false", "0", "-1.50e+3", "12345678901234567890", #""""#, #""é😀""#, #""\"\\\n\r\t\u0001""#,
        "[]", "{}",
        #"[1,[2,[3,[]]],{"a":{}}]"#, #"{"b":1,"a":[true,null],"b":2}"#,
    ]

    @Test(arguments: canonical) func roundTrips(_ text: String) throws {
        let value = try JSONValue(parsing: bytes(text))
        #expect(String(decoding: value.encoded(), as: UTF8.self) == text)
    }

    @Test func dropsBlanksAndNeedlessEscapes() throws {
        let value = try JSONValue(parsing: bytes(" { \"\\u0061\" : [ 1 , \"\\/\\u00e9\\ud83d\\ude00\" ] } "))
        #expect(String(decoding: value.encoded(), as: UTF8.self) == #"{"a":[1,"/é😀"]}"#)
    }

    static let escapes: [(String, String)] = [
        (#""\ud800""#, "\u{FFFD}"), (#""\udc00""#, "\u{FFFD}"), (#""\ud83dx""#, "\u{FFFD}x"),
        (#""\ud83d\u0041""#, "\u{FFFD}A"), (#""\ud800\ud83d\ude00""#, "\u{FFFD}😀"), (#""\uDBFF\uDFFF""#, "\u{10FFFF}"),
        (#""\u0000""#, "\u{0}"), (#""\b\f""#, "\u{8}\u{C}"), (#""\ud83d""#, "\u{FFFD}"), (#""\uFFFF""#, "\u{FFFF}"),
    ]

    @Test(arguments: escapes) func resolvesEscapes(_ text: String, _ expected: String) throws {
        let string = try #require(try JSONValue(parsing: bytes(text)).stringValue)
        #expect(Array(string.unicodeScalars) == Array(expected.unicodeScalars))
    }

    @Test func looksUpTheLastOfRepeatedNames() throws {
        let value = try JSONValue(parsing: bytes(#"{"a":1,"b":true,"a":2,"\u212A":3}"#))
        #expect(value["a"]?.intValue == 2)
        #expect(value["b"]?.boolValue == true)
        #expect(value["c"] == nil)
        // The Kelvin sign equals K as a Swift String; as a name it is another one.
        #expect(value["K"] == nil)
        #expect(JSONValue.array([1])["a"] == nil)
        #expect(JSONValue.null["a"] == nil)
    }

    @Test func readsNumbersOnlyWhereTheyAreIntegers() throws {
        #expect(JSONValue.number("9223372036854775807").intValue == .max)
        #expect(JSONValue.number("9223372036854775808").intValue == nil)
        #expect(JSONValue.number("1.0").intValue == nil)
        #expect(JSONValue.number("1e3").intValue == nil)
        #expect(JSONValue.string("1").intValue == nil)
        #expect(JSONValue.number("1").stringValue == nil)
        #expect(JSONValue.null.boolValue == nil)
        #expect(JSONValue.null.arrayValue == nil)
    }

    @Test func comparesOrderAndSpelling() {
        #expect(["a": 1, "b": [true, "x"]] as JSONValue == .object([("a", .int(1)), ("b", [true, "x"])]))
        #expect(["a": 1, "b": 2] as JSONValue != ["b": 2, "a": 1])
        #expect(JSONValue.number("1.0") != .number("1"))
        #expect(JSONValue.string("1") != .number("1"))
    }

    @Test func keepsDepthInBounds() throws {
        let nested = bytes(String(repeating: "[", count: 512) + String(repeating: "]", count: 512))
        #expect(try JSONValue(parsing: nested, maxDepth: 1_000_000).encoded() == nested)
        #expect(throws: JSONError.tooDeep(limit: 32)) { try JSONValue(parsing: nested) }
        #expect(throws: JSONError.tooDeep(limit: 600)) {
            try JSONValue(parsing: bytes(String(repeating: "[", count: 513)), maxDepth: 600)
        }
        #expect(throws: JSONError.truncated) { try JSONValue(parsing: []) }
        #expect(throws: JSONError.malformed(offset: 3)) { try JSONValue(parsing: bytes("{} x")) }
    }

    static let quotes: [(String, String)] = [
        ("", #""""#), ("plain", #""plain""#), ("a\"b\\c", #""a\"b\\c""#),
        ("\u{0}\u{1F}\n\r\t", #""\u0000\u001f\n\r\t""#),
        ("é😀\u{7F}\u{2028}", "\"é😀\u{7F}\u{2028}\""), ("</script>", #""</script>""#),
    ]

    @Test(arguments: quotes) func quotesText(_ text: String, _ expected: String) throws {
        #expect(JSONText.quoted(text) == bytes(expected))
        #expect(try JSONValue(parsing: JSONText.quoted(text)).stringValue == text)
    }

    static let times: [(Int64, String)] = [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (1_769_862_896_789, "2026-01-31T12:34:56.789Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"), (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (1_735_689_599_999, "2024-12-31T23:59:59.999Z"), (-2_208_988_800_000, "1900-01-01T00:00:00.000Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (.min, "0000-01-01T00:00:00.000Z"), (.max, "9999-12-31T23:59:59.999Z"),
    ]

    @Test(arguments: times) func writesTimes(_ milliseconds: Int64, _ expected: String) {
        #expect(Timestamp.iso8601(milliseconds: milliseconds) == expected)
    }

    /// Day by day through four centuries, against a calendar that only counts.
    @Test func countsDays() {
        var year = 1970
        var month = 1
        var day = 1
        for number in stride(from: Int64(0), to: 146_097, by: 1) {
            if number % 7 == 0 || day > 27 {
                let text = Timestamp.iso8601(milliseconds: number * 86_400_000).prefix(10)
                let expected = "\(year)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
                if text != expected { Issue.record("day \(number): \(text), not \(expected)") }
            }
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let length = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
            day += 1
            if day > length {
                day = 1
                month += 1
            }
            if month > 12 {
                month = 1
                year += 1
            }
        }
        #expect(year == 2370)
    }
}
