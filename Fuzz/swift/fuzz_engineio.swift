// Fuzzes Engine.IO: packets tile a polling body, none has a separator in it, and the same bytes as a query do no harm.
// SPDX-License-Identifier: Apache-2.0

private let maxPackets = 32

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzEngineIO(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    walk(bytes)
    if let query = EngineIO.Query(parsing: String(decoding: bytes, as: UTF8.self)) {
        claim(count <= EngineIO.Query.maxBytes, "queries are bounded")
        claim(query.sid?.isEmpty != true, "an empty session id is none")
    }
    return 0
}

private func walk(_ bytes: UnsafeRawBufferPointer) {
    var payload = EngineIO.Payload(maxPackets: maxPackets)
    var rebuilt: [UInt8] = []
    var packetCount = 0
    do throws(EngineIOError) {
        while let packet = try payload.next(in: bytes.bytes) {
            let content = slice(bytes, packet)
            claim(!content.isEmpty && !content.contains(EngineIO.separator), "separators separate")
            if packetCount > 0 { rebuilt.append(EngineIO.separator) }
            rebuilt.append(contentsOf: content)
            packetCount += 1
            if content.first == 0x34 { _ = try? SocketIO.decode(content.span.bytes, from: 1, maxDepth: 24) }
        }
    } catch {
        claim(packetCount <= maxPackets, "packets are bounded")
        return
    }
    claim(packetCount > 0 && rebuilt.elementsEqual(bytes), "packets tile the body")
}
