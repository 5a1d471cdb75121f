// Messages that begin as clients usually write them take a shorter way through the decoders; the answer must be the same one. And strings
// of every length at every distance from the end of the buffer, which vectors may not read past. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@Suite struct UsualHeadTests {
    /// What may follow `"data":` or the event's name and a comma; `|` stands for further parts and the end of the wrapper.
    static let rests = [
        #"{"id":"a","type":"t","status":"success"}|"#, #"{}|"#, #" {"id":"a"} | "#, "12|", "\"text\"|", "null|", "[1,2]|",
        "|", "{|", "{}", "{},|", "{}x|", "{}||", #"{"id":"a"}"#, "", " ", "\u{0}|",
    ]
    static let nativeMembers = [
        "", #","ack":1"#, #","ack":"x" , "other":[{}]"#, #","event":"command""#, #","data":1"#, #","ack":{}"#, ",",
    ]

    /// A blank where the usual form has none leads past the shortcut and shifts every offset by one.
    @Test(arguments: ["command", "commandStatus"], rests) func native(_ event: String, _ rest: String) {
        for members in Self.nativeMembers {
            let tail = rest.replacing("|", with: members + "}")
            let usual = bytes("{\"event\":\"\(event)\",\"data\":\(tail)")
            let spaced = bytes("{ \"event\":\"\(event)\",\"data\":\(tail)")
            #expect(nativeSummary(usual, shift: 0) == nativeSummary(spaced, shift: 1), "\(event) \(tail)")
        }
    }

    @Test(arguments: ["command", "commandStatus"], rests) func socketIO(_ event: String, _ rest: String) {
        for more in ["", ",1", ",{},[]", ",", String(repeating: ",0", count: 20)] {
            let tail = rest.replacing("|", with: more + "]")
            let usual = bytes("42[\"\(event)\",\(tail)")
            let spaced = bytes("42[ \"\(event)\",\(tail)")
            #expect(socketIOSummary(usual, shift: 0) == socketIOSummary(spaced, shift: 1), "\(event) \(tail)")
        }
    }

    @Test func stringsEndWhereTheyEnd() {
        for length in 0...100 {
            for tail in 0...20 {
                for stop in ["", "\\n", "é", "\u{7F}"] {
                    let string = "\"" + String(repeating: "a", count: length) + stop + "\""
                    let text = bytes("[" + string + String(repeating: " ", count: tail) + "]")
                    #expect((try? JSON.validate(text.span.bytes, maxDepth: 4)) != nil, "\(length) \(tail) \(stop)")
                }
                for bad: UInt8 in [0x00, 0x1F, 0x80, 0xFF] {
                    let head = bytes("[\"" + String(repeating: "a", count: length))
                    let text = head + [bad] + bytes("\"" + String(repeating: " ", count: tail) + "]")
                    #expect(offset(of: text) == head.count, "\(length) \(tail) \(bad)")
                }
            }
            let open = bytes("[\"" + String(repeating: "a", count: length))
            #expect(validationError(open) == .truncated)
        }
    }

    private func nativeSummary(_ text: [UInt8], shift: Int) -> String {
        do throws(NativeError) {
            let m = try NativeDialect.decode(text.span.bytes, maxDepth: 4)
            let ranges = [m.eventName, m.data, m.ack, m.dataString, m.fields.id, m.fields.type].map { text.text($0) ?? "?" }
            let start = m.data.isEmpty ? 0 : Int(m.data.start) - shift
            return "\(String(describing: m.event)) \(ranges) \(start) \(m.fields.isObject) \(String(describing: m.fields.status))"
        } catch {
            return describe(error, shift: shift)
        }
    }

    private func describe(_ error: NativeError, shift: Int) -> String {
        if case .json(.malformed(let offset)) = error { return "malformed \(offset - shift)" }
        return "\(error)"
    }

    private func socketIOSummary(_ text: [UInt8], shift: Int) -> String {
        do throws(SocketIOError) {
            let p = try SocketIO.decode(text.span.bytes, from: 1, maxDepth: 4)
            let parts = [p.eventName, p.payload, p.payloadString, p.payloadRest, p.fields.id, p.fields.type]
            let ranges = parts.map { text.text($0) ?? "?" }
            let start = p.payload.isEmpty ? 0 : Int(p.payload.start) - shift
            return "\(String(describing: p.event)) \(ranges) \(start) \(p.argumentCount) \(p.fields.isObject) \(p.kind)"
        } catch {
            if case .json(.malformed(let offset)) = error { return "malformed \(offset - shift)" }
            return "\(error)"
        }
    }

    private func validationError(_ text: [UInt8]) -> JSONError? {
        do throws(JSONError) {
            _ = try JSON.validate(text.span.bytes, maxDepth: 4)
            return nil
        } catch {
            return error
        }
    }

    private func offset(of text: [UInt8]) -> Int? {
        switch validationError(text) {
        case .malformed(let offset), .invalidUTF8(let offset): offset
        default: nil
        }
    }
}
