/* What other threads hand to a loop: functions to run and connections that move in, in one order.
 * The list is appended under the loop's one lock by any thread and taken whole by the loop, once per wake-up; only the append that
 * finds it empty pays for a wake. Never runs anything under the lock. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

typedef struct post {
    cws_mail mail;
    void *arg;
} post;

static void wake(cws_loop *l)
{
    const uint64_t one = 1;
    ssize_t n;
    do
        n = write(l->wake_fd, &one, sizeof one);
    while (n < 0 && errno == EINTR)
        ; /* EAGAIN: the counter is full, so it is awake */
}

bool cws_loop_mail(cws_loop *l, cws_mail *m)
{
    m->next = NULL;
    pthread_mutex_lock(&l->lock);
    const bool is_open = !l->is_mailbox_closed;
    const bool is_first = l->mail_first == NULL;
    if (is_open) {
        if (is_first)
            l->mail_first = m;
        else
            l->mail_last->next = m;
        l->mail_last = m;
        if (is_first)
            wake(l); /* under the lock: a loop that ends may be freed as soon as the lock is free */
    }
    pthread_mutex_unlock(&l->lock);
    return is_open;
}

cws_status cws_loop_post(cws_loop *l, void (*fn)(void *arg), void *arg)
{
    post *p = malloc(sizeof *p);
    if (!p)
        return CWS_NO_MEMORY;
    *p = (post){.mail.fn = fn, .arg = arg};
    if (cws_loop_mail(l, &p->mail))
        return CWS_OK;
    free(p);
    return CWS_WRONG_STATE;
}

void cws_loop_stop(cws_loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->is_stop_asked = true;
    wake(l);
    pthread_mutex_unlock(&l->lock);
}

void cws_loop_run_mail(cws_loop *l)
{
    uint64_t count;
    ssize_t n;
    do
        n = read(l->wake_fd, &count, sizeof count);
    while (n < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&l->lock);
    cws_mail *m = l->mail_first;
    l->mail_first = l->mail_last = NULL;
    const bool is_stop_asked = l->is_stop_asked;
    pthread_mutex_unlock(&l->lock);
    while (m) {
        cws_mail *next = m->next;
        if (m->fn) {
            post *p = CWS_CONTAINER(m, post, mail);
            l->had_callback = true;
            p->mail.fn(p->arg);
            free(p);
        } else {
            cws_conn_adopt(l, CWS_CONTAINER(m, cws_conn, mail));
        }
        m = next;
    }
    if (is_stop_asked)
        l->is_ending = true;
}
