// Nanoseconds a decode, for messages like the ones real peers send. Run by Benchmarks/codec/run; single thread, no I/O.
// SPDX-License-Identifier: Apache-2.0

/// A command of exactly 200 bytes in each dialect, and larger statuses.
private func commandPayload(_ size: Int) -> String {
    let head = #"{"id":"3f0b1c52-8a1d-4a7e-9c1a-5d2f0a6b7c8d","type":"resources:list","types":["LORA","Checkpoint"],"#
    let tail = #""progress":12.5,"createdAt":"2026-01-31T12:34:56.789Z"}"#
    let filler = size - head.utf8.count - tail.utf8.count - 9
    return head + #""note":""# + String(repeating: "x", count: max(filler - 1, 0)) + #"","# + tail
}

private func nested(_ count: Int) -> String {
    let entry =
        #"{"type":"LORA","hash":"9F2C4A","name":"Über \"x\" \u00fc","path":"C:\\models\\lora","sizeKB":1234.5,"ok":true}"#
    return #"{"id":"a","status":"success","resources":["# + Array(repeating: entry, count: count).joined(separator: ",")
        + "]}"
}

private func native(_ payload: String) -> [UInt8] { Array((#"{"event":"command","data":"# + payload + "}").utf8) }
private func socketio(_ payload: String) -> [UInt8] { Array((#"42["command","# + payload + "]").utf8) }

@inline(never)
private func measure(_ name: String, _ bytes: [UInt8], _ body: (RawSpan) -> Int) {
    let clock = ContinuousClock()
    // Many short turns and the best of them, so that a busy machine spoils some turns and not the figure.
    let rounds = max(1, 200_000 / (bytes.count + 100))
    var best = Double.infinity
    var sink = 0
    for _ in 0..<400 {
        let time = clock.measure { for _ in 0..<rounds { sink &+= body(bytes.span.bytes) } }
        let nanoseconds = Double(time.components.attoseconds) / 1e9 + Double(time.components.seconds) * 1e9
        best = min(best, nanoseconds / Double(rounds))
    }
    let rate = Double(bytes.count) / best
    print(
        "\(name): \(bytes.count) bytes, \(Int(best + 0.5)) ns, \(Double(Int(rate * 10)) / 10) GB/s",
        sink == 0 ? "!" : "")
}

private func decodeNative(_ bytes: RawSpan) -> Int {
    (try? NativeDialect.decode(bytes, maxDepth: 128)).map { Int($0.fields.id.end) } ?? 0
}
private func decodeSocketIO(_ bytes: RawSpan) -> Int {
    (try? SocketIO.decode(bytes, from: 1, maxDepth: 128)).map { Int($0.fields.id.end) } ?? 0
}

@main
private enum Benchmark {
    static func main() {
        let frame = 27
        measure("native 200 B command", native(commandPayload(200 - frame)), decodeNative)
        measure("socketio 200 B command", socketio(commandPayload(200 - 14)), decodeSocketIO)
        measure("native 4 KB status, nested, escapes", native(nested(38)), decodeNative)
        measure("socketio 4 KB status, nested, escapes", socketio(nested(38)), decodeSocketIO)
        let image = #"{"id":"a","status":"success","images":[""# + String(repeating: "QUJD", count: 2_000_000) + #""]}"#
        measure("native 8 MB base64", native(image), decodeNative)
        measure("socketio 8 MB base64", socketio(image), decodeSocketIO)
    }
}
