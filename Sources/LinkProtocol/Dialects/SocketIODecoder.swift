// Decodes a Socket.IO packet: `<type>[<attachments>-][<namespace>,][<ack id>][JSON]`.
//
// Hot path, any thread: one pass, payload included, no allocation. Every count in a packet meets its limit before it is used,
// and none indexes or sizes anything. Stricter than the reference where no client differs: an id where it means nothing is
// refused. SPDX-License-Identifier: Apache-2.0

extension SocketIO {
    /// Decodes the packet that begins at `from` and ends with the buffer.
    ///
    /// `maxDepth` limits the nesting of each argument; the array around them is not counted. Offsets in errors and ranges
    /// count from the start of `bytes`. An event name that is legal but unknown is not an error: `event` is nil.
    public static func decode(_ bytes: RawSpan, from: Int, maxDepth: Int) throws(SocketIOError) -> SocketIOPacket {
        guard from >= 0, from < bytes.byteCount, bytes.byteCount <= Int(UInt32.max) else { throw .malformedPacket }
        guard let kind = SocketIOPacket.Kind(rawValue: JSONLexer.peek(bytes, from)) else { throw .unknownType }
        var packet = SocketIOPacket(kind: kind)
        if kind == .event, let payload = packet.readUsualHead(bytes, from) {
            do throws(JSONError) {
                try packet.readUsualBody(bytes, payload, maxDepth: maxDepth)
            } catch {
                throw .json(error)
            }
            if packet.argumentCount > maxArguments { throw .tooManyArguments(limit: maxArguments) }
            return packet
        }
        let body = try packet.readHead(bytes, from &+ 1)
        do throws(JSONError) {
            try packet.readBody(bytes, body, maxDepth: maxDepth)
        } catch {
            throw .json(error)
        }
        try packet.check(bytes, body)
        return packet
    }

    @inline(never)
    static func isReserved(_ bytes: RawSpan, _ name: ByteRange) -> Bool {
        JSONLexer.equals(bytes, name, "connect") || JSONLexer.equals(bytes, name, "connect_error")
            || JSONLexer.equals(bytes, name, "disconnect") || JSONLexer.equals(bytes, name, "disconnecting")
            || JSONLexer.equals(bytes, name, "newListener") || JSONLexer.equals(bytes, name, "removeListener")
    }
}

extension SocketIOPacket {
    private var isBinary: Bool { kind == .binaryEvent || kind == .binaryAck }
    private var isEvent: Bool { kind == .event || kind == .binaryEvent }
    private var isAck: Bool { kind == .ack || kind == .binaryAck }

    /// The two events that are relayed, begun as every client writes them: known at a glance, not part by part.
    /// - Returns: where the first argument starts; nil for any other beginning.
    @inline(__always)
    fileprivate mutating func readUsualHead(_ bytes: RawSpan, _ start: Int) -> Int? {
        if let payload = usualHead(bytes, start, "2[\"command\",") {
            event = .command
            eventName = ByteRange(start &+ 3, start &+ 10)
            return payload
        }
        if let payload = usualHead(bytes, start, "2[\"commandStatus\",") {
            event = .commandStatus
            eventName = ByteRange(start &+ 3, start &+ 16)
            return payload
        }
        return nil
    }

    @inline(__always)
    private func usualHead(_ bytes: RawSpan, _ start: Int, _ head: StaticString) -> Int? {
        let end = start &+ head.utf8CodeUnitCount
        guard JSONLexer.equals(bytes, ByteRange(start, end), head) else { return nil }
        return JSONLexer.skipBlanks(bytes, end)
    }

    /// Reads the arguments from the one at `start` to the end of the buffer.
    @inline(__always)
    fileprivate mutating func readUsualBody(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) {
        argumentCount = 1
        let end = JSONLexer.skipBlanks(bytes, try readPayload(bytes, start, maxDepth: maxDepth))
        try readEnd(bytes, try readFurther(bytes, end, maxDepth: maxDepth))
    }

    /// Reads what stands before the JSON. - Returns: where the JSON starts.
    @inline(__always)
    fileprivate mutating func readHead(_ bytes: RawSpan, _ start: Int) throws(SocketIOError) -> Int {
        var position = start
        if isBinary { position = try readAttachmentCount(bytes, position) }
        if JSONLexer.peek(bytes, position) == 0x2F { position = try readNamespace(bytes, position) }
        let digits = position
        while JSONLexer.peek(bytes, position) &- 0x30 <= 9 {
            position &+= 1
            if position &- digits > SocketIO.maxAckIDDigits { throw .ackIDTooLong }
        }
        ackID = ByteRange(digits, position)
        guard ackID.isEmpty ? !isAck : isAck || isEvent else { throw .malformedPacket }
        return position
    }

    @inline(never)
    private mutating func readAttachmentCount(_ bytes: RawSpan, _ start: Int) throws(SocketIOError) -> Int {
        var position = start
        var count = 0
        while JSONLexer.peek(bytes, position) &- 0x30 <= 9 {
            count = count &* 10 &+ Int(JSONLexer.peek(bytes, position) &- 0x30)
            position &+= 1
            // Checked at each digit, so the count cannot overflow; a run of zeros is refused as well.
            if count > SocketIO.maxAttachments || position &- start > 2 {
                throw .tooManyAttachments(limit: SocketIO.maxAttachments)
            }
        }
        guard position > start, JSONLexer.peek(bytes, position) == 0x2D else { throw .malformedPacket }
        attachmentCount = count
        return position &+ 1
    }

    @inline(never)
    private mutating func readNamespace(_ bytes: RawSpan, _ start: Int) throws(SocketIOError) -> Int {
        var position = start
        while position < bytes.byteCount, JSONLexer.peek(bytes, position) != 0x2C {
            let byte = JSONLexer.peek(bytes, position)
            guard byte > 0x20, byte < 0x7F, position &- start < SocketIO.maxNamespaceBytes else {
                throw .malformedPacket
            }
            position &+= 1
        }
        namespace = ByteRange(start, position)
        isRootNamespace = position == start &+ 1
        return min(position &+ 1, bytes.byteCount)
    }

    /// Reads the JSON up to the end of the buffer, whatever its shape; `check` judges that afterwards.
    @inline(__always)
    fileprivate mutating func readBody(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) {
        guard start < bytes.byteCount else { return }
        var position = JSONLexer.skipBlanks(bytes, start)
        if JSONLexer.peek(bytes, position) == 0x5B, isEvent || isAck {
            position = try readArguments(bytes, position, maxDepth: maxDepth)
        } else {
            position = try readPayload(bytes, position, maxDepth: maxDepth)
        }
        try readEnd(bytes, position)
    }

    @inline(__always)
    private func readEnd(_ bytes: RawSpan, _ start: Int) throws(JSONError) {
        let position = JSONLexer.skipBlanks(bytes, start)
        guard position == bytes.byteCount else { throw .malformed(offset: position) }
    }

    /// Reads the array that opens at `start`. - Returns: the offset after it.
    @inline(__always)
    private mutating func readArguments(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) -> Int {
        var position = JSONLexer.skipBlanks(bytes, start &+ 1)
        guard JSONLexer.peek(bytes, position) != 0x5D else { return position &+ 1 }
        position =
            isEvent ? try readName(bytes, position, maxDepth: maxDepth) : try readArgument(bytes, position, maxDepth: maxDepth)
        return try readFurther(bytes, JSONLexer.skipBlanks(bytes, position), maxDepth: maxDepth)
    }

    /// Reads the rest of the array after one of its elements. - Returns: the offset after it.
    @inline(__always)
    private mutating func readFurther(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) -> Int {
        var position = start
        while true {
            let next = JSONLexer.peek(bytes, position)
            if next == 0x5D { return position &+ 1 }
            guard next == 0x2C else { throw JSONLexer.failure(bytes, position) }
            position = JSONLexer.skipBlanks(bytes, position &+ 1)
            position = JSONLexer.skipBlanks(bytes, try readArgument(bytes, position, maxDepth: maxDepth))
        }
    }

    /// Reads an event's first element, of any kind. - Returns: the offset after it.
    @inline(__always)
    private mutating func readName(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) -> Int {
        let end = try JSONLexer.value(bytes, start, maxDepth: maxDepth)
        if JSONLexer.peek(bytes, start) == 0x22 { eventName = ByteRange(start &+ 1, end &- 1) }
        return end
    }

    /// Reads one more argument. - Returns: the offset after it.
    @inline(__always)
    private mutating func readArgument(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) -> Int {
        argumentCount &+= 1
        if argumentCount == 1 { return try readPayload(bytes, start, maxDepth: maxDepth) }
        let end = try JSONLexer.value(bytes, start, maxDepth: maxDepth)
        payloadRest = ByteRange(Int(payload.end), end)
        return end
    }

    @inline(__always)
    private mutating func readPayload(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) -> Int {
        var scan = PayloadScan()
        try scan.read(bytes, start, maxDepth: maxDepth)
        payload = ByteRange(start, scan.end)
        fields = scan.fields
        payloadString = scan.plainString
        return scan.end
    }

    /// Judges what was read; `body` is where the JSON started.
    @inline(__always)
    fileprivate mutating func check(_ bytes: RawSpan, _ body: Int) throws(SocketIOError) {
        let hasBody = body < bytes.byteCount
        switch kind {
        case .event, .binaryEvent:
            guard isArray(bytes, body) else { throw .malformedPacket }
            // Offset 0 holds the packet's type, so an absent name is the only one to start there.
            guard eventName.start > 0 else { throw .eventNameNotString }
            event = Event(bytes, eventName)
            if event == nil, SocketIO.isReserved(bytes, eventName) { throw .reservedEventName }
        case .ack, .binaryAck:
            guard isArray(bytes, body) else { throw .malformedPacket }
        case .connect:
            guard !hasBody || fields.isObject else { throw .malformedPacket }
        case .disconnect:
            guard !hasBody else { throw .malformedPacket }
        case .connectError:
            guard hasBody else { throw .malformedPacket }
        }
        if argumentCount > SocketIO.maxArguments { throw .tooManyArguments(limit: SocketIO.maxArguments) }
    }

    @inline(__always)
    private func isArray(_ bytes: RawSpan, _ body: Int) -> Bool {
        JSONLexer.peek(bytes, JSONLexer.skipBlanks(bytes, body)) == 0x5B
    }
}
