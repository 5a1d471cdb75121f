// One request to the operator's surface, read strictly: unknown, repeated or malformed parameters are refused.
//
// Values, any thread. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// Who acts, as the audit names it.
enum AdminActor: Sendable {
    /// Whoever may open the Unix socket.
    case socket
    case token(id: Int64, label: String, user: String)

    var description: String {
        switch self {
        case .socket: "socket"
        case .token(let id, let label, let user): "token \(id) (\(label)) of \(user)"
        }
    }
}

struct AdminCall: Sendable {
    let actor: AdminActor
    /// The path's number, 0 if it has none.
    let id: Int64
    let query: [String: String]
    /// An empty object if the route takes none.
    let body: JSONValue

    init(_ request: HTTPRequest, _ route: AdminRoute, id: Int64, actor: AdminActor) throws(AdminFailure) {
        self.actor = actor
        self.id = id
        query = try Self.query(request.query, route)
        body = try Self.body(request, route)
    }

    private static func query(_ text: String?, _ route: AdminRoute) throws(AdminFailure) -> [String: String] {
        var found: [String: String] = [:]
        for pair in (text ?? "").split(separator: "&", omittingEmptySubsequences: true) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let parameter = route.query.first(where: { $0.name == parts[0] }), found[parts[0]] == nil, parts.count == 2,
                parameter.accepts(parts[1])
            else {
                let names = route.query.map(\.name).joined(separator: ", ")
                throw AdminFailure(
                    .badParameter, names.isEmpty ? "This takes no parameters." : "Check the parameters; this takes \(names).")
            }
            found[parts[0]] = parts[1]
        }
        return found
    }

    private static func body(_ request: HTTPRequest, _ route: AdminRoute) throws(AdminFailure) -> JSONValue {
        guard route.body != nil else {
            if request.body.isEmpty { return .object([]) }
            // Clients that always send a body send an empty object.
            guard let value = try? JSONValue(parsing: request.body), case .object(let members) = value, members.isEmpty else {
                throw AdminFailure(.badBody, "This takes no body.")
            }
            return value
        }
        let types = request.headers.filter { $0.name == "content-type" }.map { $0.value.lowercased() }
        guard types.count == 1, types[0].prefix(while: { $0 != ";" }).filter({ $0 != " " }) == "application/json" else {
            throw AdminFailure(.unsupportedMediaType)
        }
        guard let value = try? JSONValue(parsing: request.body), case .object = value else { throw AdminFailure(.badBody) }
        return value
    }

    func number(_ parameter: AdminParameter) -> Int64? {
        if let text = query[parameter.name] { return Int64(text) }
        if case .integer(_, let fallback) = parameter.kind { return fallback }
        return nil
    }

    var limit: Int { Int(clamping: number(.limit) ?? 50) }
    var cursor: Int64 { number(.cursor) ?? 0 }
    var user: UserID? { number(.user).map { UserID($0) } }
    var showsWholeAddresses: Bool { query[AdminParameter.addresses.name] == "full" }

    /// The body's members; throws for one that is not in `known` or is repeated.
    func members(_ known: Set<String>) throws(AdminFailure) -> [String: JSONValue] {
        guard case .object(let members) = body else { throw AdminFailure(.badBody) }
        var found: [String: JSONValue] = [:]
        for member in members {
            guard known.contains(member.key), found[member.key] == nil else { throw AdminFailure(.badBody) }
            found[member.key] = member.value
        }
        return found
    }
}

extension JSONValue {
    /// A page of a longer list: `next` is the cursor of the page after it.
    static func page(_ items: [JSONValue], total: Int, next: Int64?) -> JSONValue {
        ["items": .array(items), "total": .int(Int64(total)), "next": next.map { .int($0) } ?? .null]
    }

    static func count(_ value: some BinaryInteger) -> JSONValue { .int(Int64(clamping: value)) }
}
