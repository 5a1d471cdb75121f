// The pending HTTP request of a connection, and how it is answered. Loop thread; valid until the answer is complete.
// SPDX-License-Identifier: Apache-2.0

import CWebSocket

extension cws_slice {
    var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: p, count: p == nil ? 0 : n) }
    var string: String { String(decoding: buffer, as: UTF8.self) }
}

extension Connection {
    var method: String { cws_request_method(raw).string }
    var path: String { cws_request_path(raw).string }
    var query: String? {
        let slice = cws_request_query(raw)
        return slice.p == nil ? nil : slice.string
    }
    var wantsWebSocket: Bool { cws_request_wants_websocket(raw) }
    /// Size of a body that was over its ceiling and discarded; 0 when nothing was.
    var skippedBodyBytes: UInt64 { cws_request_skipped_bytes(raw) }
    var body: UnsafeRawBufferPointer { UnsafeRawBufferPointer(cws_request_body(raw).buffer) }

    func header(_ name: String) -> String? {
        let slice = cws_request_header(raw, name)
        return slice.p == nil ? nil : slice.string
    }

    /// The Origin to judge; two of them are judged as `null`, which no list allows.
    var origin: String? { cws_request_header_count(raw, "origin") > 1 ? "null" : header("origin") }
    /// The values of every header of that (lower-case) name, in order of arrival.
    func headerValues(_ wanted: String) -> [String] {
        var values: [String] = []
        var name = cws_slice()
        var value = cws_slice()
        var i = 0
        while cws_request_header_at(raw, i, &name, &value) {
            if name.string.lowercased() == wanted { values.append(value.string) }
            i += 1
        }
        return values
    }

    func pathEquals(_ text: StaticString) -> Bool {
        let slice = cws_request_path(raw)
        return text.withUTF8Buffer { $0.elementsEqual(slice.buffer) }
    }

    /// The whole request as a value, for the REST surface.
    func request(remote: PeerAddress, isSecure: Bool) -> HTTPRequest {
        var headers: [(name: String, value: String)] = []
        var name = cws_slice()
        var value = cws_slice()
        var i = 0
        while cws_request_header_at(raw, i, &name, &value) {
            headers.append((name.string.lowercased(), value.string))
            i += 1
        }
        return HTTPRequest(
            method: method, path: path, query: query, headers: headers, body: Array(cws_request_body(raw).buffer), remote: remote,
            isSecure: isSecure)
    }

    /// Answers the pending request. `mayCompress`: the body holds no secret beside text of somebody else's choice.
    func respond(
        status: UInt16, headers: [(name: String, value: String)], body: some Collection<UInt8>, closes: Bool = false, mayCompress: Bool = false
    ) {
        var head: [UInt8] = []
        for (name, value) in headers {
            // Values come from fixed texts and the allow-list; a line break could only be our own mistake, and is dropped.
            let clean = value.utf8.filter { $0 >= 0x20 && $0 != 0x7F }
            head.append(contentsOf: name.utf8)
            head.append(0x3A)
            head.append(0x20)
            head.append(contentsOf: clean)
            head.append(0x0D)
            head.append(0x0A)
        }
        let bytes = Array(body)
        let flags = (closes ? CWS_RESPOND_CLOSE.rawValue : 0) | (mayCompress ? CWS_RESPOND_GZIP.rawValue : 0)
        head.withUnsafeBufferPointer { headBuffer in
            bytes.withUnsafeBufferPointer { bodyBuffer in
                _ = cws_respond(
                    raw, status, cws_slice(p: headBuffer.baseAddress, n: headBuffer.count),
                    cws_slice(p: bodyBuffer.baseAddress, n: bodyBuffer.count), cws_respond_flags(rawValue: flags))
            }
        }
    }

    /// Answers with 101. False: the handshake was bad and has been answered, or there was no memory and the connection
    /// ends. Until `setMessageCeiling` a larger message ends the connection.
    func upgrade(subprotocol: String?, messageCeiling: Int, limits: ShardLimits) -> Bool {
        var options = cws_upgrade_options()
        options.message_ceiling_bytes = messageCeiling
        options.queue_ceiling_bytes = limits.queueCeiling
        options.queue_ceiling_count = UInt32(clamping: limits.memberQueueCount)
        options.allow_deflate = limits.compresses
        guard let subprotocol else { return cws_upgrade(raw, &options) == CWS_OK }
        let bytes = Array(subprotocol.utf8)
        return bytes.withUnsafeBufferPointer {
            options.subprotocol = cws_slice(p: $0.baseAddress, n: $0.count)
            return cws_upgrade(raw, &options) == CWS_OK
        }
    }
}
