// The native dialect by table: messages taken apart, refusals, and what the relay writes.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

private func decodeError(_ text: [UInt8], maxDepth: Int = 16) -> NativeError? {
    do throws(NativeError) {
        _ = try NativeDialect.decode(text.span.bytes, maxDepth: maxDepth)
        return nil
    } catch {
        return error
    }
}

@Suite struct NativeDialectTests {
    struct Row: Sendable {
        var text: String
        var event: Event?
        var name: String
        var data = ""
        var isObject = false
        var ack = ""
        var string = ""
        var id = ""
        var type = ""
        var status: CommandState?
    }

    static let rows: [Row] = [
        Row(
            text: #"{"event":"join","data":"a1b2c3","ack":1}"#, event: .join, name: "join", data: #""a1b2c3""#,
            ack: "1", string: "a1b2c3"),
        Row(
            text: #"{"event":"iam","data":{"type":"sd"}}"#, event: .iam, name: "iam", data: #"{"type":"sd"}"#,
            isObject: true,
            type: "sd"),
        Row(text: #"{"event":"leave"}"#, event: .leave, name: "leave"),
        Row(text: #"{"event":"leave","data":null,"ack":null}"#, event: .leave, name: "leave", data: "null"),
        Row(
            text:
                #" { "ack" : "q-1" , "data" : {"id":"7","type":"a:b","status":"success"} , "event" : "commandStatus" } "#,
            event: .commandStatus, name: "commandStatus", data: #"{"id":"7","type":"a:b","status":"success"}"#,
            isObject: true,
            ack: #""q-1""#, id: "7", type: "a:b", status: .success),
        Row(
            text:
                #"{"v":[{"event":"x","data":1}],"event":"command","data":{"a":{"id":"in"},"id":"1","id":"2"},"z":{"ack":7}}"#,
            event: .command, name: "command", data: #"{"a":{"id":"in"},"id":"1","id":"2"}"#, isObject: true, id: "2"),
        Row(
            text: #"{"event":"command","data":[{"id":"1"}]}"#, event: .command, name: "command", data: #"[{"id":"1"}]"#),
        Row(text: #"{"event":"join","data":"a\u0031"}"#, event: .join, name: "join", data: #""a\u0031""#),
        Row(text: #"{"event":"dance"}"#, event: nil, name: "dance"),
        Row(text: #"{"event":""}"#, event: nil, name: ""),
        Row(text: #"{"event":"jo\u0069n"}"#, event: nil, name: #"jo\u0069n"#),
        Row(text: #"{"event":"joint"}"#, event: nil, name: "joint"),
        Row(text: #"{"\u0065vent":"kicked","event":"join"}"#, event: .join, name: "join"),
        Row(text: #"{"event":"error","ack":-0.5e3}"#, event: .error, name: "error", ack: "-0.5e3"),
        Row(text: #"{"event":"kicked"}"#, event: .kicked, name: "kicked"),
        Row(
            text: #"{"event":"upgradeKey","data":9007199254740993}"#, event: .upgradeKey, name: "upgradeKey",
            data: "9007199254740993"),
        Row(
            text: #"{"event":"roomPresence","data":{}}"#, event: .roomPresence, name: "roomPresence", data: "{}",
            isObject: true),
    ]

    @Test(arguments: rows) func decodes(_ row: Row) throws {
        for blanks in 0..<9 {
            let padding = [UInt8](repeating: 0x20, count: blanks)
            let text = padding + bytes(row.text) + padding
            let message = try NativeDialect.decode(text.span.bytes, maxDepth: 16)
            #expect(message.event == row.event)
            #expect(text.text(message.eventName) == row.name)
            #expect(text.text(message.data) == row.data)
            #expect(message.fields.isObject == row.isObject)
            #expect(text.text(message.ack) == row.ack)
            #expect(text.text(message.dataString) == row.string)
            #expect(text.text(message.fields.id) == row.id)
            #expect(text.text(message.fields.type) == row.type)
            #expect(message.fields.status == row.status)
        }
    }

    /// A message cut anywhere is refused as JSON, never taken for a shorter one.
    @Test(arguments: rows) func refusesEveryPrefix(_ row: Row) {
        let whole = bytes(row.text)
        let last = whole.lastIndex(of: 0x7D) ?? 0
        for length in 0..<last + 1 {
            #expect(decodeError(Array(whole[..<length])) == .json(.truncated))
        }
    }

    static let refused: [(String, NativeError)] = [
        ("", .json(.truncated)), ("[]", .notAnObject), ("\"event\"", .notAnObject), ("17", .notAnObject),
        ("null", .notAnObject), ("hello", .json(.malformed(offset: 0))), ("[1,]", .json(.malformed(offset: 3))),
        ("{}", .missingEvent), (#"{"data":{}}"#, .missingEvent), (#"{"event":1}"#, .missingEvent),
        (#"{"event":null}"#, .missingEvent), (#"{"event":{"event":"join"}}"#, .missingEvent),
        (#"{"event":["join"]}"#, .missingEvent), (#"{"\u0065vent":"join"}"#, .missingEvent),
        (#"{"event":"join","event":"leave"}"#, .repeatedMember), (#"{"event":"join","event":1}"#, .repeatedMember),
        (#"{"event":"join","data":1,"data":1}"#, .repeatedMember),
        (#"{"event":"join","ack":1,"ack":2}"#, .repeatedMember),
        (#"{"event":"join","ack":null,"ack":2}"#, .repeatedMember), (#"{"event":"join","ack":true}"#, .badAck),
        (#"{"event":"join","ack":{}}"#, .badAck), (#"{"event":"join","ack":[1]}"#, .badAck),
        (#"{"event":"join","ack":false}"#, .badAck), (#"{"event":"join"}x"#, .json(.malformed(offset: 16))),
        (#"{"event":"join"}{"event":"leave"}"#, .json(.malformed(offset: 16))),
        (#"{"event":"join",}"#, .json(.malformed(offset: 16))),
        (#"{"event":"join" "data":1}"#, .json(.malformed(offset: 16))),
        (#"{event:"join"}"#, .json(.malformed(offset: 1))),
        (#"{"event":"join","data":01}"#, .json(.malformed(offset: 24))),
        (#"{"event":"join","data":1,"event":}"#, .json(.malformed(offset: 33))),
    ]

    @Test(arguments: refused) func refuses(_ text: String, _ error: NativeError) {
        #expect(decodeError(bytes(text)) == error)
    }

    @Test func boundsTheAck() throws {
        let fits = String(repeating: "9", count: NativeDialect.maxAckBytes)
        let text = bytes(#"{"event":"join","ack":"# + fits + "}")
        #expect(text.text(try NativeDialect.decode(text.span.bytes, maxDepth: 4).ack) == fits)
        #expect(decodeError(bytes(#"{"event":"join","ack":"# + fits + "9}")) == .badAck)
    }

    /// The wrapper is not counted, so that both dialects carry the same payloads.
    @Test(arguments: [1, 2, 64, 65, 128, 512]) func countsThePayloadsDepth(_ limit: Int) {
        func message(_ depth: Int) -> [UInt8] {
            let open = String(repeating: "[", count: depth - 1)
            return bytes(
                #"{"event":"command","data":{"a":"#
                    + (depth > 1 ? open + String(repeating: "]", count: depth - 1) : "1") + "}}")
        }
        #expect(decodeError(message(limit), maxDepth: limit) == nil)
        #expect(decodeError(message(limit + 1), maxDepth: limit) == .json(.tooDeep(limit: limit)))
        let skipped = #"{"event":"command","x":"# + String(repeating: "[", count: 600)
        #expect(decodeError(bytes(skipped), maxDepth: limit) == .json(.tooDeep(limit: limit)))
    }

    /// Mutated messages: no crash, ranges in bounds, and the payload is JSON by itself.
    @Test func survivesMutation() throws {
        var generator = SeededGenerator(seed: 11)
        var decodedCount = 0
        for round in 0..<6000 {
            let text = mutated(bytes(Self.rows[round % Self.rows.count].text), with: &generator)
            guard let message = try? NativeDialect.decode(text.span.bytes, maxDepth: 8) else { continue }
            decodedCount += 1
            #expect(JSONReference.members(of: text, maxDepth: 9) != nil)
            let name = try #require(text.text(message.eventName))
            #expect(message.event.map { "\($0.name)" == name } ?? !Event.allCases.contains { "\($0.name)" == name })
            guard !message.data.isEmpty else { continue }
            let data = Array(text[Int(message.data.start)..<Int(message.data.end)])
            #expect(JSONReference.members(of: data, maxDepth: 8) != nil)
            #expect((data.first == 0x7B) == message.fields.isObject)
        }
        #expect(decodedCount > 500)
    }

    @Test(arguments: Event.allCases) func writesEvents(_ event: Event) throws {
        let payload = bytes(#"{"id":"1","n":9007199254740993}"#)
        let text = NativeDialect.event(event, payload: payload)
        #expect(
            String(decoding: text, as: UTF8.self)
                == #"{"event":"\#(event.name)","data":{"id":"1","n":9007199254740993}}"#)
        #expect(
            "\(NativeDialect.prefix(event))" + String(decoding: payload, as: UTF8.self) + "\(NativeDialect.suffix)"
                == String(decoding: text, as: UTF8.self))
        let message = try NativeDialect.decode(text.span.bytes, maxDepth: 2)
        #expect(message.event == event)
        #expect(text.text(message.data) == String(decoding: payload, as: UTF8.self))
        #expect(
            String(decoding: NativeDialect.event(event, payload: nil), as: UTF8.self) == #"{"event":"\#(event.name)"}"#)
    }

    @Test func writesAcks() {
        let text = NativeDialect.ack(bytes(#""q\u0031""#), payload: bytes(#"{"success":true,"msg":"Joined"}"#))
        #expect(
            String(decoding: text, as: UTF8.self)
                == #"{"event":"ack","ack":"q\u0031","data":{"success":true,"msg":"Joined"}}"#)
    }

    @Test func namesItsErrors() {
        let errors: [NativeError] = [.json(.truncated), .notAnObject, .missingEvent, .badAck, .repeatedMember]
        #expect(Set(errors.map { "\($0.code)" }).count == errors.count)
        #expect(Set(errors.map(\.sentence)).count == errors.count)
        #expect(errors.allSatisfy { $0.sentence.hasSuffix(".") })
    }
}
