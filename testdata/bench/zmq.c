//  The same messages as a ZRE node sends, by plain libzmq: a DEALER to a ROUTER, frames a WHISPER's header and the content.
//
//      zmq receive ENDPOINT    says "ready ENDPOINT", then "got MESSAGES CPU" after each flood
//      zmq send ENDPOINT       does what its input says:
//          flood COUNT SIZE        the last message has a frame more, which is empty
//          give COUNT SIZE         the same, each message in memory of its own that is not copied, nor filled
//          echo COUNT SIZE         there and back, one at a time: says "echo P50 P99"
//          cpu                     says "cpu CPU"
//      zmq both                receives and sends, in two threads of one process
//
//  Behind "receive ENDPOINT" and "send ENDPOINT" the word curve has them speak CURVE.
//
//  Times are in nanoseconds; CPU is what the process has used so far. The content of an echo begins with E.
//
//  Build: cc -O2 -o zmq zmq.c -lzmq -lpthread

#include <zmq.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static void *context;

static void
check (int ok, const char *what)
{
    if (!ok) {
        fprintf (stderr, "zmq: %s: %s\n", what, zmq_strerror (zmq_errno ()));
        exit (1);
    }
}

static long long
nanoseconds (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long
cpu (void)
{
    struct rusage usage;
    getrusage (RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL
         + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

//  As long a queue as a ZRE node's.
static void *
new_socket (int type)
{
    int mark = 10000, linger = 0;
    void *socket = zmq_socket (context, type);
    check (socket != NULL, "socket");
    zmq_setsockopt (socket, ZMQ_SNDHWM, &mark, sizeof mark);
    zmq_setsockopt (socket, ZMQ_RCVHWM, &mark, sizeof mark);
    zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger);
    return socket;
}

//  Keys that libzmq's manual has for tests.
#define SERVER_PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define SERVER_SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
#define CLIENT_PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define CLIENT_SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

static int curve;

static void
secure (void *socket, int is_server)
{
    if (!curve)
        return;
    check (zmq_setsockopt (socket, ZMQ_CURVE_SERVER, &is_server, sizeof is_server) == 0, "CURVE");
    check (zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, is_server? SERVER_SECRET: CLIENT_SECRET, 41) == 0, "secret key");
    if (is_server)
        return;
    check (zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, CLIENT_PUBLIC, 41) == 0, "public key");
    check (zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, SERVER_PUBLIC, 41) == 0, "server's key");
}

static void *
receive (void *endpoint)
{
    void *router = new_socket (ZMQ_ROUTER);
    secure (router, 1);
    check (zmq_bind (router, endpoint) == 0, "bind");
    char bound [256];
    size_t size = sizeof bound;
    zmq_getsockopt (router, ZMQ_LAST_ENDPOINT, bound, &size);
    printf ("ready %s\n", bound);
    zmq_msg_t identity, header, content, more;
    zmq_msg_init (&identity);
    zmq_msg_init (&header);
    zmq_msg_init (&content);
    zmq_msg_init (&more);
    for (long count = 0;;) {
        check (zmq_msg_recv (&identity, router, 0) >= 0, "receive");
        check (zmq_msg_recv (&header, router, 0) >= 0, "receive");
        check (zmq_msg_recv (&content, router, 0) >= 0, "receive");
        if (zmq_msg_size (&content) > 0 && *(char *) zmq_msg_data (&content) == 'E') {
            zmq_msg_send (&identity, router, ZMQ_SNDMORE);
            zmq_msg_send (&header, router, ZMQ_SNDMORE);
            zmq_msg_send (&content, router, 0);
            continue;
        }
        count++;
        if (zmq_msg_more (&content)) {
            check (zmq_msg_recv (&more, router, 0) >= 0, "receive");
            printf ("got %ld %lld\n", count, cpu ());
            count = 0;
        }
    }
    return NULL;
}

//  A WHISPER's header frame (RFC 36), with the next sequence number.
static void
send_header (void *dealer)
{
    static unsigned short sequence = 1;
    sequence++;
    unsigned char header [6] = { 0xAA, 0xA1, 2, 2, sequence >> 8, sequence & 255 };
    check (zmq_send (dealer, header, sizeof header, ZMQ_SNDMORE) >= 0, "send");
}

static void
flood (void *dealer, long count, size_t size)
{
    char *content = calloc (1, size + 1);
    for (long i = 1; i <= count; i++) {
        send_header (dealer);
        check (zmq_send (dealer, content, size, i < count? 0: ZMQ_SNDMORE) >= 0, "send");
    }
    check (zmq_send (dealer, "", 0, 0) >= 0, "send");
    free (content);
}

static void
give (void *dealer, long count, size_t size)
{
    zmq_msg_t content;
    for (long i = 1; i <= count; i++) {
        send_header (dealer);
        zmq_msg_init_size (&content, size);
        if (size > 0)
            *(char *) zmq_msg_data (&content) = 0;
        check (zmq_msg_send (&content, dealer, i < count? 0: ZMQ_SNDMORE) >= 0, "send");
    }
    check (zmq_send (dealer, "", 0, 0) >= 0, "send");
}

static int
longer (const void *a, const void *b)
{
    long long x = *(const long long *) a, y = *(const long long *) b;
    return (x > y) - (x < y);
}

static void
echo (void *dealer, long count, size_t size)
{
    char *content = calloc (1, size + 1);
    content [0] = 'E';
    long long *took = calloc (count, sizeof *took);
    zmq_msg_t answer;
    zmq_msg_init (&answer);
    for (long i = 0; i < count; i++) {
        long long began = nanoseconds ();
        send_header (dealer);
        check (zmq_send (dealer, content, size, 0) >= 0, "send");
        check (zmq_msg_recv (&answer, dealer, 0) >= 0, "receive");
        check (zmq_msg_recv (&answer, dealer, 0) >= 0, "receive");
        took [i] = nanoseconds () - began;
    }
    qsort (took, count, sizeof *took, longer);
    printf ("echo %lld %lld\n", took [count / 2], took [count * 99 / 100]);
    free (took);
    free (content);
}

static void
send_what_input_says (const char *endpoint)
{
    void *dealer = new_socket (ZMQ_DEALER);
    zmq_setsockopt (dealer, ZMQ_IDENTITY, "\001sixteen octets!!", 17);
    secure (dealer, 0);
    check (zmq_connect (dealer, endpoint) == 0, "connect");
    char line [256];
    while (fgets (line, sizeof line, stdin)) {
        long count = 0, size = 0;
        if (sscanf (line, "flood %ld %ld", &count, &size) == 2)
            flood (dealer, count, size);
        else
        if (sscanf (line, "give %ld %ld", &count, &size) == 2)
            give (dealer, count, size);
        else
        if (sscanf (line, "echo %ld %ld", &count, &size) == 2)
            echo (dealer, count, size);
        else
            printf ("cpu %lld\n", cpu ());
    }
}

int
main (int argc, char **argv)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    context = zmq_ctx_new ();
    if (argc == 4 && strcmp (argv [3], "curve") == 0) {
        curve = 1;
        argc = 3;
    }
    if (argc == 3 && strcmp (argv [1], "receive") == 0)
        receive (argv [2]);
    else
    if (argc == 3 && strcmp (argv [1], "send") == 0)
        send_what_input_says (argv [2]);
    else
    if (argc == 2 && strcmp (argv [1], "both") == 0) {
        pthread_t thread;
        pthread_create (&thread, NULL, receive, "inproc://bench");
        send_what_input_says ("inproc://bench");
    }
    else {
        fprintf (stderr, "usage: zmq receive ENDPOINT [curve] | send ENDPOINT [curve] | both\n");
        return 2;
    }
    return 0;
}
