// Fuzzes Socket.IO packets: limits hold, ranges tile the packet, and what decodes decodes again when framed anew.
// SPDX-License-Identifier: Apache-2.0

private let maxDepth = 24

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSocketIO(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    let packet: SocketIOPacket
    do throws(SocketIOError) {
        packet = try SocketIO.decode(bytes.bytes, from: 0, maxDepth: maxDepth)
    } catch {
        claim(!error.sentence.isEmpty && error.code.utf8CodeUnitCount > 0, "errors say something")
        return 0
    }
    claim(packet.kind.rawValue == bytes[0], "the kind is the first byte")
    claim(packet.attachmentCount <= SocketIO.maxAttachments, "attachments are bounded")
    claim(packet.argumentCount <= SocketIO.maxArguments, "arguments are bounded")
    claim(packet.namespace.count <= SocketIO.maxNamespaceBytes, "namespaces are bounded")
    claimFields(bytes, packet.fields)
    claimString(bytes, packet.eventName)
    claimString(bytes, packet.payloadString)
    let name = slice(bytes, packet.eventName)
    let isEvent = packet.kind == .event || packet.kind == .binaryEvent
    claim(packet.event == Event.allCases.first { isEvent && Array("\($0.name)".utf8) == name }, "events are recognised")
    claimIDs(bytes, packet)
    claimArguments(bytes, packet)
    return 0
}

private func claimIDs(_ bytes: UnsafeRawBufferPointer, _ packet: SocketIOPacket) {
    let digits = slice(bytes, packet.ackID)
    claim(digits.count <= SocketIO.maxAckIDDigits && digits.allSatisfy { (0x30...0x39).contains($0) }, "ids are digits")
    let namespace = slice(bytes, packet.namespace)
    claim(packet.isRootNamespace == (namespace.isEmpty || namespace == [0x2F]), "the root namespace is recognised")
    claim(namespace.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "namespaces can be echoed")
}

private func claimArguments(_ bytes: UnsafeRawBufferPointer, _ packet: SocketIOPacket) {
    let payload = slice(bytes, packet.payload)
    let rest = slice(bytes, packet.payloadRest)
    guard !payload.isEmpty else { return claim(rest.isEmpty, "nothing follows nothing") }
    if let accepts = referenceAccepts([0x5B] + payload + rest + [0x5D], maxDepth: maxDepth + 1) {
        claim(accepts, "arguments are JSON")
    }
    let framed = SocketIO.event(.command, payload: payload + rest)
    framed.withUnsafeBytes { other in
        guard let again = try? SocketIO.decode(other.bytes, from: 1, maxDepth: maxDepth) else {
            return claim(false, "arguments survive the frame")
        }
        claim(
            slice(other, again.payload) == payload && slice(other, again.payloadRest) == rest, "arguments cross whole")
        let isArguments = packet.kind != .connect && packet.kind != .connectError
        claim(!isArguments || again.argumentCount == packet.argumentCount, "arguments are counted alike")
        claimSameFields(bytes, packet.fields, other, again.fields)
    }
}
