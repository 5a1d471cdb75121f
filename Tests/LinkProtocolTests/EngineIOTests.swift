// Engine.IO: polling bodies, queries, and the server's own texts.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

private func split(_ body: [UInt8], maxPackets: Int = 100) throws(EngineIOError) -> [ByteRange] {
    var payload = EngineIO.Payload(maxPackets: maxPackets)
    var packets: [ByteRange] = []
    while let packet = try payload.next(in: body.span.bytes) { packets.append(packet) }
    return packets
}

private func splitError(_ body: [UInt8], maxPackets: Int = 100) -> EngineIOError? {
    do throws(EngineIOError) {
        _ = try split(body, maxPackets: maxPackets)
        return nil
    } catch {
        return error
    }
}

@Suite struct EngineIOTests {
    static let rows = [
        "0{\"sid\":\"x\"}", "1", "2", "2probe", "40", "42[\"leave\"]", "4", "6", "b", "bAQIDBA==", "x\u{0}",
        "4é😀 0123456789abcdef0123456789abcdef",
    ]

    /// Every row alone, and between every two others, so that each boundary falls at many alignments.
    @Test(arguments: rows) func splits(_ row: String) throws {
        for first in Self.rows {
            for last in Self.rows {
                let body = bytes([first, row, last].joined(separator: "\u{1E}"))
                #expect(try split(body).map { body.text($0) } == [first, row, last])
            }
        }
        #expect(try split(bytes(row)).count == 1)
    }

    @Test(arguments: ["", "\u{1E}", "4a\u{1E}", "\u{1E}4a", "4a\u{1E}\u{1E}4b"]) func refusesEmptyPackets(_ text: String) {
        #expect(splitError(bytes(text)) == .emptyPacket)
    }

    @Test func separatorsInAWebSocketMessageAreContent() {
        let text = bytes("42[\"leave\"]\u{1E}42[\"leave\"]")
        #expect(throws: SocketIOError.json(.malformed(offset: 11))) {
            try SocketIO.decode(text.span.bytes, from: 1, maxDepth: 4)
        }
    }

    /// How a session reads a body: each message is decoded in its own slice, where the next packet is out of reach.
    @Test func messagesDecodeInTheirSlices() throws {
        let body = bytes("40\u{1E}42[\"join\",\"a1b2c3\"]\u{1E}42[\"leave\"]")
        var payload = EngineIO.Payload(maxPackets: 8)
        var seen: [String] = []
        while let packet = try payload.next(in: body.span.bytes) {
            let slice = body.span.bytes.extracting(Int(packet.start)..<Int(packet.end))
            let inner = try SocketIO.decode(slice, from: 1, maxDepth: 4)
            seen.append("\(inner.kind) \(inner.event.map { "\($0.name)" } ?? "-") \(inner.argumentCount)")
        }
        #expect(seen == ["connect - 0", "event join 1", "event leave 0"])
    }

    @Test func boundsThePacketCount() {
        let body = bytes(Array(repeating: "2", count: 16).joined(separator: "\u{1E}"))
        #expect(splitError(body, maxPackets: 16) == nil)
        #expect(splitError(body, maxPackets: 15) == .tooManyPackets)
        #expect(splitError(body, maxPackets: 0) == .tooManyPackets)
    }

    /// A body cut anywhere gives the packets before the cut and the beginning of one more, or is refused.
    @Test func cutsLoseOnlyTheEnd() throws {
        let whole = bytes("40\u{1E}42[\"join\",\"a1b2c3\"]\u{1E}2probe\u{1E}bAQID\u{1E}6")
        let all = try split(whole)
        for length in 0..<whole.count {
            guard let packets = try? split(Array(whole[..<length])) else { continue }
            #expect(packets.count <= all.count)
            for (packet, full) in zip(packets.dropLast(), all) { #expect(packet == full) }
        }
    }

    @Test func writesItsTexts() {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let open = EngineIO.openPacket(
            sid: "abc", upgrades: true, pingIntervalMs: 25_000, pingTimeoutMs: 60_000, maxPayload: 1_048_576)
        #expect(
            text(open)
                == #"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1048576}"#
        )
        let closed = EngineIO.openPacket(
            sid: "abc", upgrades: false, pingIntervalMs: 1, pingTimeoutMs: 2, maxPayload: 3)
        #expect(text(closed) == #"0{"sid":"abc","upgrades":[],"pingInterval":1,"pingTimeout":2,"maxPayload":3}"#)
        let errors = (0...5).map { text(EngineIO.errorJSON(code: $0)) }
        #expect(
            errors == [
                #"{"code":0,"message":"Transport unknown"}"#, #"{"code":1,"message":"Session ID unknown"}"#,
                #"{"code":2,"message":"Bad handshake method"}"#, #"{"code":3,"message":"Bad request"}"#,
                #"{"code":4,"message":"Forbidden"}"#, #"{"code":5,"message":"Unsupported protocol version"}"#,
            ])
        #expect(text(EngineIO.errorJSON(code: 99)) == errors[3])
        #expect(text(EngineIO.errorJSON(code: -1)) == errors[3])
    }

    @Test func readsQueries() throws {
        let query = try #require(EngineIO.Query(parsing: "EIO=4&transport=polling&t=abc123&sid=A-_9"))
        #expect(query.transport == .polling)
        #expect(query.sid == "A-_9")
        #expect(query.isSupportedVersion)
        #expect(!query.hasB64)
        #expect(EngineIO.Query(parsing: "transport=websocket&EIO=3&b64=1")?.isSupportedVersion == false)
        #expect(EngineIO.Query(parsing: "transport=websocket&b64=1")?.hasB64 == true)
        #expect(EngineIO.Query(parsing: "b64=0&b64=1")?.hasB64 == false)
        #expect(EngineIO.Query(parsing: "EIO=4&j=0")?.wantsScript == true)
        #expect(EngineIO.Query(parsing: "EIO=4&j")?.wantsScript == true)
        #expect(EngineIO.Query(parsing: "EIO=4&t=j")?.wantsScript == false)
        #expect(EngineIO.Query(parsing: "transport=%77ebsocket")?.transport == .websocket)
        #expect(EngineIO.Query(parsing: "sid=a%20b+c")?.sid == "a b c")
        #expect(EngineIO.Query(parsing: "sid=a=b")?.sid == "a=b")
        #expect(EngineIO.Query(parsing: "EIO=4;transport=polling")?.isSupportedVersion == false)
    }

    static let harmless = [
        "", "&&&", "=", "=x", "transport", "transport=", "transport=constructor", "transport=__proto__",
        "constructor=1&__proto__=2",
        "transport=toString&sid=", "transport[]=polling", "Transport=polling", "transport=POLLING",
        "transport=flashsocket",
        "transport=polling%00", "TRANSPORT=websocket&sid",
    ]

    @Test(arguments: harmless) func findsNoTransportInOddQueries(_ text: String) throws {
        let query = try #require(EngineIO.Query(parsing: text))
        #expect(query.transport == nil)
        #expect(query.sid == nil)
        #expect(!query.isSupportedVersion)
    }

    @Test func takesTheFirstOfRepeatedNames() throws {
        let query = try #require(
            EngineIO.Query(parsing: "transport=polling&transport=websocket&EIO=4&EIO=3&sid=a&sid=b"))
        #expect(query.transport == .polling)
        #expect(query.isSupportedVersion)
        #expect(query.sid == "a")
        #expect(EngineIO.Query(parsing: "transport=bad&transport=polling")?.transport == nil)
    }

    @Test func boundsQueries() {
        let long = "sid=" + String(repeating: "a", count: EngineIO.Query.maxBytes - 4)
        #expect(EngineIO.Query(parsing: long)?.sid?.utf8.count == EngineIO.Query.maxBytes - 4)
        #expect(EngineIO.Query(parsing: long + "a") == nil)
        #expect(EngineIO.Query(parsing: Array(repeating: "a=1", count: 64).joined(separator: "&")) != nil)
        #expect(EngineIO.Query(parsing: Array(repeating: "a=1", count: 65).joined(separator: "&")) == nil)
        for broken in ["sid=%", "sid=%4", "sid=%4g", "%=1", "sid=%ff", "x=%c3%28"] {
            #expect(EngineIO.Query(parsing: broken) == nil)
        }
    }
}
