// A thread for calls that block on somebody else's server, so that neither a loop nor Swift's pool ever does.
//
// `submit` and `stop` from any thread; the work runs in order on the one thread made here, each exactly once.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// `@unchecked Sendable`: everything that changes is behind `mutex`.
final class AskingThread: @unchecked Sendable {
    typealias Work = @Sendable () -> Void

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var work: [Work] = []
    private var isStopping = false

    private init() {
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
    }

    /// Nil when the system has no thread to give.
    static func start() -> AskingThread? {
        let thread = AskingThread()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        // Signals are the main thread's business.
        var all = sigset_t()
        var former = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &former)
        defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
        var handle = pthread_t()
        let retained = Unmanaged.passRetained(thread)
        let code = pthread_create(&handle, &attributes, { argument in
            if let argument { Unmanaged<AskingThread>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        }, retained.toOpaque())
        if code == 0 { return thread }
        retained.release()
        return nil
    }

    func submit(_ one: @escaping Work) {
        pthread_mutex_lock(mutex)
        work.append(one)
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// What is queued is still done; then the thread ends. Does not wait.
    func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    private func run() {
        while let one = next() { one() }
    }

    private func next() -> Work? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while work.isEmpty && !isStopping { pthread_cond_wait(condition, mutex) }
        return work.isEmpty ? nil : work.removeFirst()
    }
}
