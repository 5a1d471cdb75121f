// How long secrets live and how many a user may have; and what an owner's request can fail with.
//
// Values, any thread. SPDX-License-Identifier: Apache-2.0

package struct KeyPolicy: Sendable {
    /// How long a pairing code waits for an extension.
    package var codeLifetime: Duration
    /// How long the extension that exchanged a code may repeat it and get the same key.
    package var repeatGrace: Duration
    /// Instances a user may have; 0 = no limit.
    package var instanceLimit: Int
    /// Link keys not seen for that long are deleted; nil = never.
    package var keyIdleLifetime: Duration?
    /// Whether an extension with a code gets its key only when the owner has approved it.
    package var approvesExtensions: Bool

    package init(
        codeLifetime: Duration = .seconds(600), repeatGrace: Duration = .seconds(60), instanceLimit: Int = 10,
        keyIdleLifetime: Duration? = nil, approvesExtensions: Bool = false
    ) {
        self.codeLifetime = codeLifetime
        self.repeatGrace = repeatGrace
        self.instanceLimit = instanceLimit
        self.keyIdleLifetime = keyIdleLifetime
        self.approvesExtensions = approvesExtensions
    }
}

package enum KeyError: Error, Sendable, CustomStringConvertible {
    case store(StoreError)
    case limitReached(count: Int, limit: Int)
    /// The user has no such instance.
    case notFound
    /// No secret could be made just now: no random bytes, or no free code.
    case unavailable

    package var description: String {
        switch self {
        case .store(let error): "store: \(error)"
        case .limitReached(let count, let limit): "instance limit reached (\(count) of \(limit))"
        case .notFound: "no such instance"
        case .unavailable: "no secret could be made"
        }
    }
}
