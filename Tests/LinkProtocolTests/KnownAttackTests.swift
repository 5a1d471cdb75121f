// Inputs that broke other servers' Engine.IO and Socket.IO parsers: each is refused or carried, none does harm.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@Suite struct KnownAttackTests {
    private func decode(_ text: [UInt8], from: Int = 1) throws(SocketIOError) -> SocketIOPacket {
        try SocketIO.decode(text.span.bytes, from: from, maxDepth: 128)
    }

    /// CVE-2023-32695: a name that is an object with a method's name crashed the emitter.
    @Test(arguments: [
        #"42[{"toString":"foo"}]"#, #"42[{"__proto__":{}}]"#, #"42[["toString"]]"#, "42[true]", "42[1e9]",
    ])
    func eventNamesThatAreNoStrings(_ text: String) {
        #expect(throws: SocketIOError.eventNameNotString) { try decode(bytes(text)) }
    }

    /// CVE-2024-38355: an event called `error` without a listener ended the process. Here it is one of the known events.
    @Test func eventNamedError() throws {
        #expect(try decode(bytes(#"42["error",{"msg":"x"}]"#)).event == .error)
        #expect(try decode(bytes(#"42["__proto__",1]"#)).event == nil)
        #expect(try decode(bytes(#"42["hasOwnProperty"]"#)).event == nil)
    }

    /// CVE-2022-2421: a placeholder whose number is a method's name. Placeholders are relayed text, never looked up.
    @Test(arguments: [#""splice""#, "-1", "1e308", "99", "null", #"{"a":0}"#])
    func placeholdersThatIndexNothing(_ number: String) throws {
        let packet = try decode(bytes(#"451-["command",{"_placeholder":true,"num":\#(number)}]"#))
        #expect(packet.kind == .binaryEvent)
        #expect(packet.attachmentCount == 1)
    }

    /// CVE-2026-33151: any number of attachments was waited for.
    @Test(arguments: ["11", "999", "18446744073709551617", "4294967297", String(repeating: "9", count: 100_000)])
    func attachmentsWithoutEnd(_ count: String) {
        #expect(throws: SocketIOError.tooManyAttachments(limit: 10)) { try decode(bytes("45\(count)-[\"command\"]")) }
        #expect(throws: SocketIOError.tooManyAttachments(limit: 10)) { try decode(bytes("46\(count)-1[]")) }
    }

    /// CVE-2020-36048 and -36049: many tiny or few huge packets in one POST.
    @Test func pollingBodiesWithoutEnd() throws {
        let tiny = [UInt8]("2\u{1E}".utf8)
        let many = [UInt8]((0..<500_000).lazy.flatMap { _ in tiny })
        var payload = EngineIO.Payload(maxPackets: 1000)
        var count = 0
        #expect(throws: EngineIOError.tooManyPackets) {
            while try payload.next(in: many.span.bytes) != nil { count += 1 }
        }
        #expect(count == 1000)
        let huge = bytes("42[\"command\",\"" + String(repeating: "a", count: 4_000_000) + "\"]")
        var one = EngineIO.Payload(maxPackets: 1000)
        let packet = try #require(try one.next(in: huge.span.bytes))
        #expect(packet.count == huge.count)
        #expect(try one.next(in: huge.span.bytes) == nil)
    }

    /// CVE-2023-31125: an inherited name as a transport.
    @Test(arguments: ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "polling.prototype"])
    func inheritedNamesAsTransports(_ name: String) {
        #expect(EngineIO.Query(parsing: "EIO=4&transport=\(name)")?.transport == nil)
        #expect(EngineIO.Query(parsing: "EIO=4&transport=polling&\(name)=1")?.transport == .polling)
    }

    /// CVE-2022-31019 and CVE-2020-36406: nesting as deep as the message is long, which overflowed stacks.
    @Test(arguments: ["[", "{\"a\":", "[{\"a\":[", "[[],"]) func nestingWithoutEnd(_ unit: String) {
        let deep = String(repeating: unit, count: 200_000)
        #expect(throws: SocketIOError.json(.tooDeep(limit: 128))) { try decode(bytes("42[\"command\",\(deep)")) }
        #expect(throws: NativeError.json(.tooDeep(limit: 128))) {
            try NativeDialect.decode(bytes(#"{"event":"command","data":\#(deep)"#).span.bytes, maxDepth: 128)
        }
    }

    /// CVE-2022-31005's class: numbers that overflow an integer. None is converted on this path.
    @Test func numbersBeyondIntegers() throws {
        let digits = String(repeating: "9", count: 100_000)
        #expect(throws: SocketIOError.ackIDTooLong) { try decode(bytes("42\(digits)[\"join\"]")) }
        let packet = try decode(bytes("42[\"command\",\(digits),-\(digits).\(digits)e-\(digits)]"))
        #expect(packet.payload.count == 100_000)
        #expect(packet.argumentCount == 2)
        #expect(JSONValue.number(digits).intValue == nil)
    }

    /// A payload that two parsers could read differently is carried as it is, and the field every client sees is used.
    @Test func repeatedFieldsMeanTheLast() throws {
        let text = bytes(#"42["command",{"id":"mine","type":"a","id":"yours","type":"b"}]"#)
        let packet = try decode(text)
        #expect(text.text(packet.fields.id) == "yours")
        #expect(text.text(packet.fields.type) == "b")
    }
}
