// The scanner by table: what it takes, what it refuses and where, and which fields it finds.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

private func scanError(_ text: [UInt8], maxDepth: Int = 32) -> JSONError? {
    do throws(JSONError) {
        _ = try JSON.validate(text.span.bytes, maxDepth: maxDepth)
        return nil
    } catch {
        return error
    }
}

@Suite struct JSONScannerTests {
    static let accepted = [
        "null", "true", "false", "0", "-0", "7", "-12", "0.5", "1e5", "1E+05", "-0.0e-00",
        "123456789012345678901234567890",
        "1e999999", "\"\"", "\"a\"", #""\"\\\/\b\f\n\r\t""#, #""\u0000\uD83D\uDE00""#, #""\ud800""#, #""\udfff\ud800""#,
        "\"é€😀\u{7F}\u{10FFFF}\"", "[]", "[ ]", "{}", "{ }", "[1]", "[1,2 , 3]", "[[],[[]],{}]", #"{"":0}"#,
        #"{"a":1,"a":2}"#, " \t\r\n{ \"a\" : [ true , null ] } \n", "\"12345678\"", "\"1234567\"", "\"123456789\"",
        #"{"a":{"b":[{"c":"d"}]},"e":[[1],{"f":{}}]}"#,
    ]

    @Test(arguments: accepted) func accepts(_ text: String) {
        #expect(scanError(bytes(text)) == nil)
    }

    static let refused: [(String, JSONError)] = [
        ("", .truncated), (" ", .truncated), ("[", .truncated), ("[1,", .truncated), ("{\"a\"", .truncated),
        ("\"abc", .truncated), ("\"\\", .truncated), ("\"\\u00", .truncated), ("tru", .truncated), ("-", .truncated),
        ("1.", .truncated), ("1e", .truncated), ("1e+", .truncated),
        ("01", .malformed(offset: 1)), ("-01", .malformed(offset: 2)), (".5", .malformed(offset: 0)),
        ("+1", .malformed(offset: 0)), ("1.e5", .malformed(offset: 2)), ("1e5.", .malformed(offset: 3)),
        ("0x10", .malformed(offset: 1)), ("NaN", .malformed(offset: 0)), ("Infinity", .malformed(offset: 0)),
        ("-Infinity", .malformed(offset: 1)), ("nul ", .malformed(offset: 3)), ("nulL", .malformed(offset: 3)),
        ("True", .malformed(offset: 0)), ("undefined", .malformed(offset: 0)), ("'a'", .malformed(offset: 0)),
        ("[1,]", .malformed(offset: 3)), ("[,1]", .malformed(offset: 1)), ("[1 2]", .malformed(offset: 3)),
        ("[1}", .malformed(offset: 2)), ("{\"a\":1]", .malformed(offset: 6)), ("{]", .malformed(offset: 1)),
        ("[}", .malformed(offset: 1)), ("{\"a\":1,}", .malformed(offset: 7)), ("{a:1}", .malformed(offset: 1)),
        ("{1:1}", .malformed(offset: 1)), ("{\"a\" 1}", .malformed(offset: 5)), ("{\"a\":}", .malformed(offset: 5)),
        ("{\"a\":1 \"b\":2}", .malformed(offset: 7)), ("{,}", .malformed(offset: 1)),
        ("[[1]{}]", .malformed(offset: 4)),
        ("1 2", .malformed(offset: 2)), ("{}{}", .malformed(offset: 2)), ("[]]", .malformed(offset: 2)),
        ("\"a\nb\"", .malformed(offset: 2)), ("\"\u{1F}\"", .malformed(offset: 1)),
        ("\"\u{0}\"", .malformed(offset: 1)),
        ("\"12345678\t\"", .malformed(offset: 9)), (#""\x41""#, .malformed(offset: 2)),
        (#""\u12g4""#, .malformed(offset: 5)),
        (#""\U0041""#, .malformed(offset: 2)), ("\u{FEFF}1", .malformed(offset: 0)), ("\u{A0}1", .malformed(offset: 0)),
        ("\u{0C}1", .malformed(offset: 0)), ("/**/1", .malformed(offset: 0)), ("1//", .malformed(offset: 1)),
        ("[\u{0}]", .malformed(offset: 1)), ("1\u{0}", .malformed(offset: 1)),
    ]

    @Test(arguments: refused) func refuses(_ text: String, _ error: JSONError) {
        #expect(scanError(bytes(text)) == error)
    }

    static let brokenUTF8: [[UInt8]] = [
        [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
        [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80],
        [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE],
        [0xFF],
        [0xF8, 0x88, 0x80, 0x80, 0x80],
    ]

    @Test(arguments: brokenUTF8) func refusesBrokenUTF8(_ sequence: [UInt8]) {
        for padding in 0..<17 {
            let text = [0x22] + [UInt8](repeating: 0x61, count: padding) + sequence + [0x22]
            #expect(scanError(text) == .invalidUTF8(offset: padding + 1))
            #expect(String(validating: text, as: UTF8.self) == nil)
        }
    }

    /// Each case at sixteen alignments and with every distance to the buffer's end, where the scanner changes method.
    @Test func scansTheSameWhereverItLies() throws {
        for text in Self.accepted {
            let plain = try JSON.scan(bytes(text).span.bytes, from: 0, maxDepth: 32)
            for before in 0..<16 {
                for after in [0, 1, 7, 8, 9] {
                    let buffer =
                        [UInt8](repeating: 0x22, count: before) + bytes(text) + [UInt8](repeating: 0x20, count: after)
                    let scan = try JSON.scan(buffer.span.bytes, from: before, maxDepth: 32)
                    #expect(scan.end == plain.end + before)
                }
            }
        }
    }

    /// Digits are taken eight at a time: a number ends before every byte that is none, however many come before it.
    @Test func endsNumbersAtEveryOtherByte() {
        for count in 1...20 {
            for (before, digitsFrom) in [("[", 1), ("[-", 2), ("[0.", 3), ("[1e+", 4)] {
                let digits = bytes(before + String("9876543210987654321098".prefix(count)))
                for byte in UInt8.min...UInt8.max where !(0x30...0x39).contains(byte) {
                    let isMore = byte == 0x2E && digitsFrom < 3 || byte | 0x20 == 0x65 && digitsFrom < 4
                    let isEnd = [0x5D, 0x2C, 0x20, 0x09, 0x0A, 0x0D].contains(byte)
                    let found = scanError(digits + [byte] + bytes("1]        "))
                    let expected: JSONError? = isMore || byte == 0x2C ? nil : .malformed(offset: digits.count + (isEnd ? 1 : 0))
                    if isEnd, byte != 0x2C, byte != 0x5D {
                        #expect(scanError(digits + [byte] + bytes("]        ")) == nil)
                    } else {
                        #expect(found == expected, "\(before) \(count) digits, \(byte)")
                    }
                    #expect(scanError(digits + bytes("]")) == nil)
                }
            }
        }
    }

    /// No proper prefix of a closed document is one; what is missing is said to be missing.
    @Test func refusesEveryPrefix() {
        for text in Self.accepted where "[{\"".contains(text.first ?? " ") {
            let whole = bytes(text)
            for length in 0..<whole.count {
                switch scanError(Array(whole[..<length])) {
                case .truncated, .invalidUTF8: break
                case let other: Issue.record("\(text) cut at \(length): \(String(describing: other))")
                }
            }
        }
    }

    static let depths = [1, 2, 3, 63, 64, 65, 127, 128, 129, 192, 193, 511, 512]

    @Test(arguments: depths) func countsDepthExactly(_ limit: Int) {
        let kinds: [(String, String, String)] = [("[", "", "]"), ("{\"a\":", "1", "}"), ("[{\"b\":", "2", "}]")]
        for (open, inner, close) in kinds {
            let levels = open.hasPrefix("[{") ? 2 : 1
            func nest(_ count: Int) -> [UInt8] {
                bytes(String(repeating: open, count: count) + inner + String(repeating: close, count: count))
            }
            #expect(scanError(nest(limit / levels), maxDepth: limit) == nil)
            #expect(scanError(nest(limit / levels + 1), maxDepth: limit) == .tooDeep(limit: limit))
        }
    }

    /// Whatever is asked for, 512 levels are the end, and the kinds of all of them are remembered.
    @Test func neverGoesDeeperThanItsStack() {
        let pattern = (0..<513).map { $0 % 3 == 0 }
        func nest(_ count: Int) -> [UInt8] {
            let open = pattern[..<count].map { $0 ? "{\"k\":" : "[" }.joined()
            let close = pattern[..<count].reversed().map { $0 ? "}" : "]" }.joined()
            return bytes(open + "0" + close)
        }
        #expect(scanError(nest(512), maxDepth: 100_000) == nil)
        #expect(scanError(nest(513), maxDepth: 100_000) == .tooDeep(limit: 100_000))
        #expect(scanError(bytes("[" + String(repeating: "[", count: 1_000_000)), maxDepth: 512) == .tooDeep(limit: 512))
        #expect(scanError(bytes("[]"), maxDepth: 0) == .tooDeep(limit: 0))
        #expect(scanError(bytes("{}"), maxDepth: 0) == .tooDeep(limit: 0))
        #expect(scanError(bytes("1"), maxDepth: 0) == nil)
        #expect(scanError(bytes("[]"), maxDepth: -5) == .tooDeep(limit: -5))
        // Side by side is not deep.
        #expect(scanError(bytes("[" + String(repeating: "[[]],", count: 5000) + "[]]"), maxDepth: 3) == nil)
    }

    @Test func startsWhereItIsTold() throws {
        let text = bytes("xx  [1] ,")
        #expect(try JSON.scan(text.span.bytes, from: 2, maxDepth: 4).end == 7)
        #expect(throws: JSONError.truncated) { try JSON.scan(text.span.bytes, from: 900, maxDepth: 4) }
        #expect(throws: JSONError.malformed(offset: 0)) { try JSON.scan(text.span.bytes, from: -1, maxDepth: 4) }
    }

    struct FieldRow: Sendable {
        var text: String
        var id = ""
        var type = ""
        var status: CommandState?
        var isObject = true
    }

    static let fieldRows: [FieldRow] = [
        FieldRow(
            text: #"{"id":"a1","type":"resources:list","status":"success"}"#, id: "a1", type: "resources:list",
            status: .success),
        FieldRow(
            text: #" { "status" : "processing" , "x" : { "id" : "inner" } , "id" : "outer" } "#, id: "outer",
            status: .processing),
        FieldRow(text: #"{"id":"a","id":"b"}"#, id: "b"),
        FieldRow(text: #"{"id":"a","id":5}"#),
        FieldRow(text: #"{"id":5,"id":"a"}"#, id: "a"),
        FieldRow(text: #"{"type":"a","type":null}"#),
        FieldRow(text: #"{"status":"success","status":"nonsense"}"#),
        FieldRow(text: #"{"status":"success","status":["error"]}"#),
        FieldRow(text: #"{"status":"success","status":"pending"}"#, status: .pending),
        FieldRow(text: #"{"status":"error"}"#, status: .error),
        FieldRow(text: #"{"status":"canceled"}"#, status: .canceled),
        FieldRow(text: #"{"status":"Success"}"#),
        FieldRow(text: #"{"\u0069d":"a"}"#),
        FieldRow(text: #"{"id":"\u0061\"b"}"#, id: #"\u0061\"b"#),
        FieldRow(text: #"{"Id":"a","ID":"b","iD":"c","typ":"d","types":"e","status ":"error"}"#),
        FieldRow(text: #"{"id":""}"#),
        FieldRow(text: #"{"a":{"id":"x"},"b":[{"id":"y"}]}"#),
        FieldRow(text: #"[{"id":"x"}]"#, isObject: false),
        FieldRow(text: #""id""#, isObject: false),
        FieldRow(text: "7", isObject: false),
        FieldRow(text: "{}"),
    ]

    @Test(arguments: fieldRows) func findsRoutingFields(_ row: FieldRow) throws {
        for before in 0..<9 {
            let text = [UInt8](repeating: 0x78, count: before) + bytes(row.text)
            let fields = try JSON.scan(text.span.bytes, from: before, maxDepth: 8).fields
            #expect(text.text(fields.id) == row.id)
            #expect(text.text(fields.type) == row.type)
            #expect(fields.status == row.status)
            #expect(fields.isObject == row.isObject)
        }
    }

    @Test func saysWhatIsWrong() {
        #expect(JSONError.malformed(offset: 3).sentence == "The JSON is malformed at byte 3.")
        #expect(JSONError.tooDeep(limit: 8).sentence == "The JSON is nested deeper than 8 levels.")
        #expect(JSONError.invalidUTF8(offset: 1).sentence == "The text is not valid UTF-8 at byte 1.")
        #expect(JSONError.truncated.sentence == "The JSON ends too early.")
    }
}
