// Fuzzes the native dialect: what decodes is JSON, its payload is JSON, and both survive being framed anew in either dialect.
// SPDX-License-Identifier: Apache-2.0

private let maxDepth = 24

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzNative(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    let message: NativeMessage
    do throws(NativeError) {
        message = try NativeDialect.decode(bytes.bytes, maxDepth: maxDepth)
    } catch {
        claim(!error.sentence.isEmpty && error.code.utf8CodeUnitCount > 0, "errors say something")
        return 0
    }
    if let accepts = referenceAccepts(Array(bytes), maxDepth: maxDepth + 1) { claim(accepts, "messages are JSON") }
    claimFields(bytes, message.fields)
    claimString(bytes, message.eventName)
    claimString(bytes, message.dataString)
    claim(message.ack.count <= NativeDialect.maxAckBytes, "acks are bounded")
    let name = slice(bytes, message.eventName)
    claim(message.event == Event.allCases.first { Array("\($0.name)".utf8) == name }, "events are recognised")

    let ack = slice(bytes, message.ack)
    if !ack.isEmpty { claim((try? JSON.validate(ack.span.bytes, maxDepth: 0)) != nil, "acks are JSON") }
    let payload = slice(bytes, message.data)
    guard !payload.isEmpty else { return 0 }
    reframe(bytes, message, payload)
    return 0
}

private func reframe(_ bytes: UnsafeRawBufferPointer, _ message: NativeMessage, _ payload: [UInt8]) {
    let again = NativeDialect.event(message.event ?? .command, payload: payload)
    again.withUnsafeBytes { framed in
        guard let other = try? NativeDialect.decode(framed.bytes, maxDepth: maxDepth) else {
            return claim(false, "payloads survive the native frame")
        }
        claim(slice(framed, other.data) == payload, "payloads cross byte for byte")
        claimSameFields(bytes, message.fields, framed, other.fields)
    }
    let crossed = SocketIO.event(message.event ?? .command, payload: payload)
    crossed.withUnsafeBytes { framed in
        guard let packet = try? SocketIO.decode(framed.bytes, from: 1, maxDepth: maxDepth) else {
            return claim(false, "payloads survive the Socket.IO frame")
        }
        claim(slice(framed, packet.payload) == payload && packet.argumentCount == 1, "payloads cross byte for byte")
        claimSameFields(bytes, message.fields, framed, packet.fields)
    }
}
