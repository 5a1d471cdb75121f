// Socket.IO packets by table: taken apart, refused, written.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

private func decodeError(_ text: String, maxDepth: Int = 16) -> SocketIOError? {
    do throws(SocketIOError) {
        _ = try SocketIO.decode(bytes(text).span.bytes, from: 0, maxDepth: maxDepth)
        return nil
    } catch {
        return error
    }
}

@Suite struct SocketIOTests {
    struct Row: Sendable {
        var text: String
        var kind: SocketIOPacket.Kind
        var namespace = ""
        var isRoot = true
        var ackID = ""
        var attachments = 0
        var event: Event?
        var name = ""
        var payload = ""
        var arguments = 0
        var string = ""
        var rest = ""
        var id = ""
        var type = ""
        var status: CommandState?
        var isObject = false
    }

    static let rows: [Row] = [
        Row(text: "0", kind: .connect),
        Row(
            text: #"0{"token":"x","id":"a"}"#, kind: .connect, payload: #"{"token":"x","id":"a"}"#, id: "a",
            isObject: true),
        Row(text: "0/admin,", kind: .connect, namespace: "/admin", isRoot: false),
        Row(text: "0/admin", kind: .connect, namespace: "/admin", isRoot: false),
        Row(
            text: "0/admin?x=1,{}", kind: .connect, namespace: "/admin?x=1", isRoot: false, payload: "{}",
            isObject: true),
        Row(text: "0/,{}", kind: .connect, namespace: "/", payload: "{}", isObject: true),
        Row(text: "1", kind: .disconnect),
        Row(text: "1/admin,", kind: .disconnect, namespace: "/admin", isRoot: false),
        Row(text: #"2["leave"]"#, kind: .event, event: .leave, name: "leave"),
        Row(
            text: #"2["join","a1b2c3"]"#, kind: .event, event: .join, name: "join", payload: #""a1b2c3""#, arguments: 1,
            string: "a1b2c3"),
        Row(
            text: #"213["join","a1\u0062"]"#, kind: .event, ackID: "13", event: .join, name: "join",
            payload: #""a1\u0062""#,
            arguments: 1),
        Row(
            text: #"2["command",{"id":"7","type":"a:b","x":[{"id":"no"}]}]"#, kind: .event, event: .command,
            name: "command",
            payload: #"{"id":"7","type":"a:b","x":[{"id":"no"}]}"#, arguments: 1, id: "7", type: "a:b", isObject: true),
        Row(
            text: #"2[ "commandStatus" , {"status":"error"} , 2 , "x" ] "#, kind: .event, event: .commandStatus,
            name: "commandStatus", payload: #"{"status":"error"}"#, arguments: 3, rest: #" , 2 , "x""#, status: .error,
            isObject: true),
        Row(text: #"2["dance",1]"#, kind: .event, name: "dance", payload: "1", arguments: 1),
        Row(text: #"2[""]"#, kind: .event),
        Row(text: #"2["le\u0061ve"]"#, kind: .event, name: #"le\u0061ve"#),
        Row(
            text: #"2/other,7["join",null]"#, kind: .event, namespace: "/other", isRoot: false, ackID: "7",
            event: .join, name: "join", payload: "null", arguments: 1),
        Row(text: #"2999999999999999["leave"]"#, kind: .event, ackID: "999999999999999", event: .leave, name: "leave"),
        Row(text: "31[]", kind: .ack, ackID: "1"),
        Row(
            text: #"3007[{"id":"z"},1]"#, kind: .ack, ackID: "007", payload: #"{"id":"z"}"#, arguments: 2, rest: ",1",
            id: "z", isObject: true),
        Row(text: #"4{"message":"no"}"#, kind: .connectError, payload: #"{"message":"no"}"#, isObject: true),
        Row(text: #"4/x,"no""#, kind: .connectError, namespace: "/x", isRoot: false, payload: #""no""#, string: "no"),
        Row(
            text: #"51-["command",{"_placeholder":true,"num":0}]"#, kind: .binaryEvent, attachments: 1, event: .command,
            name: "command", payload: #"{"_placeholder":true,"num":0}"#, arguments: 1, isObject: true),
        Row(
            text: #"510-/n,4["join"]"#, kind: .binaryEvent, namespace: "/n", isRoot: false, ackID: "4", attachments: 10,
            event: .join, name: "join"),
        Row(text: "62-9[1]", kind: .binaryAck, ackID: "9", attachments: 2, payload: "1", arguments: 1),
    ]

    @Test(arguments: rows) func decodes(_ row: Row) throws {
        for before in 0..<9 {
            let text = [UInt8](repeating: 0x34, count: before) + bytes(row.text)
            let packet = try SocketIO.decode(text.span.bytes, from: before, maxDepth: 16)
            #expect(packet.kind == row.kind)
            #expect(text.text(packet.namespace) == row.namespace)
            #expect(packet.isRootNamespace == row.isRoot)
            #expect(text.text(packet.ackID) == row.ackID)
            #expect(packet.attachmentCount == row.attachments)
            #expect(packet.event == row.event)
            #expect(text.text(packet.eventName) == row.name)
            #expect(text.text(packet.payload) == row.payload)
            #expect(packet.argumentCount == row.arguments)
            #expect(text.text(packet.payloadString) == row.string)
            #expect(text.text(packet.payloadRest) == row.rest)
            #expect(text.text(packet.fields.id) == row.id)
            #expect(text.text(packet.fields.type) == row.type)
            #expect(packet.fields.status == row.status)
            #expect(packet.fields.isObject == row.isObject)
        }
    }

    /// A packet cut inside its array is refused, never taken for a shorter one.
    @Test(arguments: rows) func refusesEveryPrefix(_ row: Row) {
        guard let open = row.text.firstIndex(of: "["), let close = row.text.lastIndex(of: "]") else { return }
        for end in row.text[open..<close].indices {
            let cut = String(row.text[..<end])
            #expect(decodeError(cut) == (end == open ? .malformedPacket : .json(.truncated)))
        }
    }

    static let refused: [(String, SocketIOError)] = [
        ("", .malformedPacket), ("7", .unknownType), ("9[]", .unknownType), ("x", .unknownType), ("/", .unknownType),
        ("-1", .unknownType), ("\u{0}", .unknownType), ("b", .unknownType),
        ("2", .malformedPacket), ("2{}", .malformedPacket), (#"2"join""#, .malformedPacket),
        ("2null", .malformedPacket),
        ("212", .malformedPacket), ("2/x,", .malformedPacket), ("2[]", .eventNameNotString),
        ("2[1]", .eventNameNotString),
        ("2[null]", .eventNameNotString), (#"2[["join"]]"#, .eventNameNotString),
        (#"2[{"toString":"foo"}]"#, .eventNameNotString),
        (#"2["join""#, .json(.truncated)), (#"2["join"]]"#, .json(.malformed(offset: 9))),
        (#"2["join",]"#, .json(.malformed(offset: 9))),
        (#"2["join"]x"#, .json(.malformed(offset: 9))), ("2[\"\n\"]", .json(.malformed(offset: 3))),
        (#"2["join" 1]"#, .json(.malformed(offset: 9))), (#"2["join",01]"#, .json(.malformed(offset: 10))),
        ("2-1[\"a\"]", .json(.malformed(offset: 3))), ("2x", .json(.malformed(offset: 1))),
        ("21234567890123456[\"a\"]", .ackIDTooLong),
        ("31234567890123456[]", .ackIDTooLong), ("3[]", .malformedPacket), ("31", .malformedPacket),
        ("31{}", .malformedPacket),
        ("0[]", .malformedPacket), ("0\"x\"", .malformedPacket), ("05", .malformedPacket), ("0null", .malformedPacket),
        ("0{", .json(.truncated)), ("1{}", .malformedPacket), ("11", .malformedPacket), ("4", .malformedPacket),
        ("41{}", .malformedPacket),
        ("5", .malformedPacket), ("5[\"a\"]", .malformedPacket), ("5-[\"a\"]", .malformedPacket),
        ("51[\"a\"]", .malformedPacket),
        ("5-1-[\"a\"]", .malformedPacket), ("51.5-[\"a\"]", .malformedPacket),
        ("511-[\"a\"]", .tooManyAttachments(limit: 10)),
        ("599999999999999999999-[\"a\"]", .tooManyAttachments(limit: 10)),
        ("5001-[\"a\"]", .tooManyAttachments(limit: 10)),
        ("61-[1]", .malformedPacket), ("2/\u{7},[\"a\"]", .malformedPacket), ("0/é,", .malformedPacket),
        ("0/a b,", .malformedPacket),
    ]

    @Test(arguments: refused) func refuses(_ text: String, _ error: SocketIOError) {
        #expect(decodeError(text) == error)
    }

    static let reserved = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]

    @Test(arguments: reserved) func refusesReservedNames(_ name: String) {
        #expect(decodeError("2[\"\(name)\"]") == .reservedEventName)
        #expect(decodeError("51-[\"\(name)\",1]") == .reservedEventName)
        #expect(decodeError("2[\"\(name)s\"]") == nil)
        #expect(decodeError("31[\"\(name)\"]") == nil)
    }

    @Test func countsArguments() {
        func event(_ count: Int) -> String { "2[\"command\"" + String(repeating: ",1", count: count) + "]" }
        #expect(decodeError(event(16)) == nil)
        #expect(decodeError(event(17)) == .tooManyArguments(limit: 16))
        #expect(decodeError(event(200_000)) == .tooManyArguments(limit: 16))
        #expect(decodeError("31[1" + String(repeating: ",1", count: 15) + "]") == nil)
        #expect(decodeError("31[1" + String(repeating: ",1", count: 16) + "]") == .tooManyArguments(limit: 16))
    }

    @Test(arguments: [1, 2, 64, 65, 128, 512]) func countsTheArgumentsDepth(_ limit: Int) {
        func nest(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(decodeError("2[\"command\",\(nest(limit))]", maxDepth: limit) == nil)
        #expect(decodeError("2[\"command\",\(nest(limit + 1))]", maxDepth: limit) == .json(.tooDeep(limit: limit)))
        #expect(decodeError("2[\"command\",1,\(nest(limit + 1))]", maxDepth: limit) == .json(.tooDeep(limit: limit)))
    }

    @Test func boundsTheNamespace() throws {
        let longest = "/" + String(repeating: "n", count: SocketIO.maxNamespaceBytes - 1)
        #expect(decodeError("0\(longest),") == nil)
        #expect(decodeError("0\(longest)n,") == .malformedPacket)
    }

    @Test func refusesStartsOutsideTheBuffer() {
        let text = bytes("2[\"leave\"]")
        for start in [-1, text.count, text.count + 1, Int.max, Int.min] {
            #expect(throws: SocketIOError.malformedPacket) {
                try SocketIO.decode(text.span.bytes, from: start, maxDepth: 4)
            }
        }
    }

    /// Mutated packets: no crash, ranges in bounds, arguments that are JSON by themselves and together.
    @Test func survivesMutation() throws {
        var generator = SeededGenerator(seed: 5)
        var decodedCount = 0
        for round in 0..<8000 {
            let text = mutated(bytes(Self.rows[round % Self.rows.count].text), with: &generator)
            guard let packet = try? SocketIO.decode(text.span.bytes, from: 0, maxDepth: 8) else { continue }
            decodedCount += 1
            #expect(packet.attachmentCount <= 10 && packet.argumentCount <= 16 && packet.ackID.count <= 15)
            let payload = try #require(text.text(packet.payload))
            let rest = try #require(text.text(packet.payloadRest))
            let name = try #require(text.text(packet.eventName))
            #expect(Event.allCases.first { "\($0.name)" == name } == packet.event)
            if !payload.isEmpty { #expect(JSONReference.members(of: bytes("[\(payload)\(rest)]"), maxDepth: 9) != nil) }
        }
        #expect(decodedCount > 500)
    }

    @Test(arguments: Event.allCases) func writesEvents(_ event: Event) throws {
        let payload = bytes(#"{"id":"1","n":9007199254740993}"#)
        let text = SocketIO.event(event, payload: payload)
        #expect(String(decoding: text, as: UTF8.self) == #"42["\#(event.name)",{"id":"1","n":9007199254740993}]"#)
        #expect(
            "\(SocketIO.prefix(event))" + String(decoding: payload, as: UTF8.self) + "\(SocketIO.suffix)"
                == String(decoding: text, as: UTF8.self))
        let packet = try SocketIO.decode(text.span.bytes, from: 1, maxDepth: 2)
        #expect(packet.event == event)
        #expect(text.text(packet.payload) == String(decoding: payload, as: UTF8.self))
        #expect(String(decoding: SocketIO.event(event, payload: nil), as: UTF8.self) == #"42["\#(event.name)"]"#)
    }

    @Test func writesAnswers() {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        #expect(
            text(SocketIO.ack(id: bytes("007"), payload: bytes(#"{"success":true}"#))) == #"43007[{"success":true}]"#)
        #expect(text(SocketIO.connected(sid: "a\"b")) == #"40{"sid":"a\"b"}"#)
        #expect(
            text(SocketIO.connectError(namespace: bytes("/admin"), message: "Invalid namespace"))
                == #"44/admin,{"message":"Invalid namespace"}"#)
        #expect(text(SocketIO.connectError(namespace: [], message: "no")) == #"44{"message":"no"}"#)
    }

    @Test func namesItsErrors() {
        let errors: [SocketIOError] = [
            .json(.truncated), .malformedPacket, .unknownType, .eventNameNotString, .reservedEventName,
            .tooManyArguments(limit: 16), .tooManyAttachments(limit: 10), .ackIDTooLong,
        ]
        #expect(Set(errors.map { "\($0.code)" }).count == errors.count)
        #expect(Set(errors.map(\.sentence)).count == errors.count)
    }
}
