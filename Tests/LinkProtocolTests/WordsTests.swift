// The small values of the wire: identities, statuses, keys, codes, names, rooms.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

private func identifyError(_ text: String) -> IdentifyError? {
    do throws(IdentifyError) {
        _ = try Identity(parsing: bytes(text))
        return nil
    } catch {
        return error
    }
}

@Suite struct IdentityTests {
    @Test func readsWhatClientsSend() throws {
        #expect(try Identity(parsing: bytes(#"{"type":"sd"}"#)) == Identity(role: .sd))
        #expect(try Identity(parsing: bytes(#" {"type":"client","name":null,"x":[1]} "#)) == Identity(role: .client))
        let full =
            #"{"type":"sd","name":"Büro","installId":"i-1","version":"1.2","capabilities":["image:txt2img",7,"resources:list",""]}"#
        let expected = Identity(
            role: .sd, name: "Büro", installID: "i-1", version: "1.2",
            capabilities: ["image:txt2img", "resources:list"])
        #expect(try Identity(parsing: bytes(full)) == expected)
    }

    @Test func ignoresExtrasOfTheWrongKind() throws {
        let odd = #"{"type":"sd","name":7,"installId":["a"],"version":{},"capabilities":"all"}"#
        #expect(try Identity(parsing: bytes(odd)) == Identity(role: .sd))
        #expect(
            try Identity(parsing: bytes(#"{"type":"sd","name":"","installId":"","version":""}"#)) == Identity(role: .sd)
        )
    }

    static let refused: [(String, IdentifyError)] = [
        (#"{"type":"SD"}"#, .unknownType), (#"{"type":"admin"}"#, .unknownType), (#"{"type":1}"#, .unknownType),
        ("{}", .unknownType),
        (#"{"type":"sd","type":"x"}"#, .unknownType), ("[]", .notAnObject), (#""sd""#, .notAnObject),
        ("null", .notAnObject),
        ("", .json(.truncated)), ("{", .json(.truncated)), (#"{"type":"sd"}}"#, .json(.malformed(offset: 13))),
    ]

    @Test(arguments: refused) func refuses(_ text: String, _ error: IdentifyError) {
        #expect(identifyError(text) == error)
    }

    @Test func sentencesAreTheContract() {
        #expect(IdentifyError.unknownType.sentence == "type must be \"sd\" or \"client\".")
        let errors: [IdentifyError] = [.json(.truncated), .tooLarge(limit: 1), .notAnObject, .unknownType]
        #expect(Set(errors.map { "\($0.code)" }).count == errors.count)
        #expect(Set(errors.map(\.sentence)).count == errors.count)
    }

    @Test func boundsEverythingItKeeps() throws {
        let long = String(repeating: "ü", count: 129)
        let fits = String(repeating: "ü", count: 128)
        let cut = try Identity(
            parsing: bytes(#"{"type":"sd","name":"\#(long)","version":"\#(long)","installId":"\#(long)"}"#))
        #expect(cut == Identity(role: .sd, name: fits, version: fits))
        #expect(try Identity(parsing: bytes(#"{"type":"sd","installId":"\#(fits)"}"#)).installID == fits)
        let many = (0..<100).map { "\"c\($0)\"" }.joined(separator: ",")
        let capabilities = try Identity(parsing: bytes(#"{"type":"sd","capabilities":[\#(many)]}"#)).capabilities
        #expect(capabilities == (0..<64).map { "c\($0)" })
        let wide = #""\#(String(repeating: "a", count: 65))","\#(String(repeating: "a", count: 64))""#
        #expect(
            try Identity(parsing: bytes(#"{"type":"sd","capabilities":[\#(wide)]}"#)).capabilities.map(\.count) == [64])
        let huge = #"{"type":"sd","x":"\#(String(repeating: "a", count: Identity.maxPayloadBytes))"}"#
        #expect(identifyError(huge) == .tooLarge(limit: Identity.maxPayloadBytes))
        #expect(identifyError(#"{"type":"sd","x":"# + String(repeating: "[", count: 32)) == .json(.tooDeep(limit: 32)))
        // One scalar can be many: combining marks do not get around the limit.
        let marks = "a" + String(repeating: "\u{301}", count: 500)
        #expect(try Identity(parsing: bytes(#"{"type":"sd","name":"\#(marks)"}"#)).name?.unicodeScalars.count == 128)
    }
}

@Suite struct StatusTests {
    @Test func writesTerminalStatuses() throws {
        let status = RelayStatus.terminal(
            id: bytes(#"a\u0031"#), type: bytes("resources:list"), reason: .instanceOffline, error: "It is \"off\".",
            updatedAt: "2026-01-31T12:34:56.789Z")
        #expect(
            String(decoding: status, as: UTF8.self)
                == #"{"id":"a\u0031","type":"resources:list","status":"error","reason":"instance_offline","error":"It is \"off\".","updatedAt":"2026-01-31T12:34:56.789Z"}"#
        )
        let fields = try JSON.validate(status.span.bytes, maxDepth: 1)
        #expect(fields.status == .error)
        #expect(status.text(fields.id) == #"a\u0031"#)
        let bare = RelayStatus.terminal(id: [], type: [], reason: .tooLarge, error: "", updatedAt: "t")
        #expect(
            String(decoding: bare, as: UTF8.self)
                == #"{"status":"error","reason":"too_large","error":"","updatedAt":"t"}"#)
    }

    @Test func reasonsAreTheContracts() {
        let names = TerminalReason.allCases.map { "\($0.name)" }
        #expect(names == ["instance_offline", "timeout", "too_large", "refused", "unsupported"])
    }
}

@Suite struct KeyTests {
    @Test func readsKeysAsPeopleTypeThem() throws {
        #expect(JoinCredential(parsing: bytes("a1b2c3")) == .code(PairingCode(truncating: 0xA1B2C3)))
        #expect(JoinCredential(parsing: bytes(" A1-B2\tC3 ")) == .code(PairingCode(truncating: 0xA1B2C3)))
        let text = String(repeating: "0123456789abcdef", count: 8)
        let key = try #require(
            LinkKey(bytes: (0..<64).map { [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF][$0 % 8] }))
        #expect(JoinCredential(parsing: bytes(text.uppercased())) == .key(key))
        #expect(key.hex == text)
    }

    static let refused = [
        "", "a1b2c", "a1b2c3d", "a1b2cg", "a1b2c3\n", "ａ1b2c3", String(repeating: "a", count: 127),
        String(repeating: "a", count: 129),
        String(repeating: "a", count: 10_000), "\u{0}a1b2c3", "0xa1b2", "a1b2c3 x",
    ]

    @Test(arguments: refused) func refusesOtherText(_ text: String) {
        #expect(JoinCredential(parsing: bytes(text)) == nil)
    }

    @Test func printsNoSecret() throws {
        let code = PairingCode(truncating: 0xFFA1_B2C3)
        #expect(code.hex == "a1b2c3")
        let key = try #require(LinkKey(bytes: [UInt8](repeating: 0xAB, count: 64)))
        #expect(LinkKey(bytes: [UInt8](repeating: 1, count: 63)) == nil)
        for text in ["\(code)", String(reflecting: code), "\(key)", String(reflecting: key)] {
            #expect(text.contains("redacted"))
            #expect(!text.contains("a1b2c3") && !text.contains("abab"))
        }
        for text in ["\(JoinCredential.key(key))", String(reflecting: JoinCredential.code(code))] {
            #expect(text.contains("redacted"))
        }
    }

    @Test func codesHex() {
        #expect(Hex.encode([0x00, 0x0F, 0xA0, 0xFF]) == "000fa0ff")
        let digits = (0...255).compactMap { Hex.nibble(UInt8($0)).map { Int($0) } }
        #expect(digits.sorted() == Array(0...9) + (10...15).flatMap { [$0, $0] })
    }
}

@Suite struct RoomTests {
    @Test func livesOnOneLoopForGood() {
        for loopCount in 1...8 {
            var counts = [Int](repeating: 0, count: loopCount)
            for id in 0..<8000 { counts[RoomID(InstanceID(Int64(id))).home(loopCount: loopCount)] += 1 }
            #expect(counts.allSatisfy { abs($0 - 8000 / loopCount) < 8000 / loopCount / 5 + 1 })
        }
        #expect(RoomID(InstanceID(.min)).home(loopCount: 0) == 0)
        #expect((0..<7).contains(RoomID(InstanceID(.max)).home(loopCount: 7)))
    }

    @Test func endsAreTerminal() {
        #expect(CommandState.allCases.filter(\.isTerminal) == [.success, .error, .canceled])
    }
}
