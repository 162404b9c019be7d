# One JSON object a line, in and out: reading, writing, and what makes a line malformed or an event invalid.
package Wire;
use v5.36;
use B ();
use Exporter 'import';
use IO::Poll qw(POLLIN POLLERR);
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Time::Local ();
our @EXPORT_OK = qw(receive transmit malformed defect kind);

# stdout belongs to the protocol: keep it, and stdin, under private descriptors (close-on-exec, as Perl makes every one
# above 2), then let fd 1 mean stderr and fd 0 nothing. Whatever the job or a child of it prints can't reach the stream.
open my $in,  '<&', \*STDIN  or die "stdin: $!\n";
open my $out, '>&', \*STDOUT or die "stdout: $!\n";
open STDIN,  '<',  '/dev/null' or die "/dev/null: $!\n";
open STDOUT, '>&', \*STDERR    or die "stderr: $!\n";
$out->autoflush(1);             # a message is written when it is ready: nobody waits for a buffer to fill
$SIG{PIPE} = sub { exit 0 };    # nobody reads our results any more, which is no reason to complain

my $json  = JSON::PP->new->utf8->canonical->allow_bignum->max_depth(128);
my $limit = $ENV{FAAS_MAX_MESSAGE_BYTES} // 16 << 20;
my $poll  = IO::Poll->new;
$poll->mask($in => POLLIN);
$poll->mask($out => POLLERR);
my ($buffer, $searched, $eof, $cut) = ('', 0, 0, 0);

sub transmit ($message) { print $out $json->encode($message), "\n" }

# A stream that lost its place can't be taken up again.
sub malformed ($why) { warn "malformed input: $why\n"; exit 65 }

# Did stdin end within a message?
sub cut () { $cut }

# The next message; or the hello, which only the first one is; or nothing at EOF.
sub receive ($want = '') {
    while (defined(my $line = line())) {
        next if $line !~ /[^ \t\r]/;
        my $quoted = substr($line, 0, 80) =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
        # JSON::PP refuses half a surrogate pair, but an event with one is only invalid: so it becomes a character that is, too.
        my $text = $line =~ s{(\\(?:u[dD][89abAB]..(\\u[dD][c-fC-F]..)?|u[dD][c-fC-F]..|.))}{ $2 || $1 !~ /u[dD][89a-fA-F]/ ? $1 : '\uFFFE' }ger;
        my $m = eval { $json->decode($text) };
        if (!defined $m && $eof) { $cut = 1; warn "stdin ended within a message: $quoted\n"; return }
        malformed("expected a JSON object, came $quoted") if ref $m ne 'HASH' || $line =~ /^\xef/;
        my $wrong = misfit($m, MESSAGE(), 'message');
        malformed("$wrong: $quoted") if $wrong;
        $m->{call} //= 0;
        my $status = $m->{end} || ($m->{hello} // {})->{status};
        $status->{code} = 'UNKNOWN' if $status && defined $status->{code} && $status->{code} !~ CODE();
        malformed("expected a hello on call 0, came $quoted") if $want && ($m->{call} != 0 || !$m->{hello});
        my @known = grep { exists $m->{$_} } qw(context event chunk more end cancel hello);
        malformed("$known[0] on call $m->{call}, came $quoted") if !$want && $m->{hello} || @known && $m->{call} == 0 && "@known" ne $want;
        return $want ? $m->{$want} : $m;
    }
    return;
}

# Bytes up to a line feed or EOF. While it waits it also watches stdout, so that a pipeline whose tail died unwinds.
sub line () {
    my $at;
    while (($at = index $buffer, "\n", $searched) < 0) {
        malformed("more than $limit bytes without a line feed") if length $buffer > $limit;
        if ($eof) { my $rest = $buffer; $buffer = ''; return length $rest ? $rest : undef }
        $searched = length $buffer;
        $poll->poll;
        exit 0 if $poll->events($out) & POLLERR;
        $eof = !sysread $in, $buffer, 65536, $searched;
    }
    malformed("a message of $at bytes, at most $limit are allowed") if $at > $limit;
    $searched = 0;
    return substr substr($buffer, 0, $at + 1, ''), 0, $at;
}

use constant CODE => qr/^(?:OK|CANCELLED|UNKNOWN|INVALID_ARGUMENT|DEADLINE_EXCEEDED|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|RESOURCE_EXHAUSTED|
    FAILED_PRECONDITION|ABORTED|OUT_OF_RANGE|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS|UNAUTHENTICATED)\z/x;

# The types of the members; `event` is checked apart, because an invalid event costs its call and not the stream.
use constant STATUS  => { code => 'string', message => 'string', details => { '*' => 'string' } };
use constant MESSAGE => {
    call => 'call', event => 'object', chunk => 'base64', more => 'boolean', end => STATUS, cancel => { reason => 'string' },
    hello   => { fsi => 'string', producer => 'string', status => STATUS },
    context => {
        invocationId => 'string', attempt => 'count', deadlineMs => 'integer', traceparent => 'string', tracestate => 'string',
        baggage => 'string', extra => { '*' => 'string' },
    },
};

sub misfit ($value, $shape, $name) {
    my $kind = kind($value);
    if (!ref $shape) {
        return if $kind eq $shape;
        return if $shape eq 'call'   && $kind eq 'integer' && $value >= 0 && $value < 2**52;
        return if $shape eq 'count'  && $kind eq 'integer' && $value >= 0 && $value < 2**32;
        return if $shape eq 'base64' && $kind eq 'string'  && base64($value);
        return "expected $name as $shape, came $kind";
    }
    return "expected $name as object, came $kind" if $kind ne 'object';
    for my $member (keys %$value) {
        my $inner = $shape->{$member} // $shape->{'*'};
        if (!$inner) { delete $value->{$member}; next }     # unknown members are ignored
        my $wrong = misfit($value->{$member}, $inner, "$name.$member");
        return $wrong if $wrong;
    }
    return;
}

# What a value was in JSON. Perl forgets it on first use of a number as a string, so nothing is stringified before.
sub kind ($value) {
    return 'null'    if !defined $value;
    return 'boolean' if JSON::PP::is_bool($value);
    return { HASH => 'object', ARRAY => 'array', 'Math::BigInt' => 'integer' }->{ ref $value } // 'number' if ref $value;
    my $flags = B::svref_2object(\$value)->FLAGS;
    return $flags & B::SVf_POK ? 'string' : $flags & B::SVf_IOK ? 'integer' : 'number';
}

sub base64 ($text) { $text =~ m{^[A-Za-z0-9+/=]*\z} && encode_base64(decode_base64($text), '') eq $text }

sub timestamp ($text) {
    my ($year, $month, $day, $hour, $minute, $second, $zone, $minutes) = $text =~
        /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|[+-](\d\d):(\d\d))\z/a or return;
    return if $hour > 23 || $minute > 59 || $second > 60 || ($zone // 0) > 23 || ($minutes // 0) > 59;
    return eval { Time::Local::timegm_modern(0, 0, 0, $day, $month - 1, $year); 1 };
}

# What keeps this from being a CloudEvent 1.0, or nothing. Members that are null are absent.
sub defect ($event) {
    exists $event->{data} and my $data = kind($event->{data});
    delete @$event{ grep { $_ ne 'data' && !defined $event->{$_} } keys %$event };
    for my $name (qw(specversion id source type)) {
        return "the event has no $name" if ($event->{$name} // '') eq '';
    }
    for my $name (keys %$event) {
        my $value = $event->{$name};
        my $kind  = kind($value);
        next if $name eq 'data';
        return "attribute name '$name'" if $name !~ /^[a-z0-9]+\z/ && $name ne 'data_base64';
        my $named = $name =~ /^(?:specversion|id|source|type|subject|time|datacontenttype|dataschema|data_base64)\z/;
        return "$name is a $kind" if $kind !~ /^(?:string|boolean|integer)\z/ || $named && $kind ne 'string';
        return "$name is beyond 32 bits" if $kind eq 'integer' && ($value < -2**31 || $value >= 2**31);
        next if $kind ne 'string' || $name eq 'data_base64';
        return "$name is empty" if $named && $value eq '';
        return "$name has characters that are not allowed" if $value =~ /[\x00-\x1f\x7f-\x9f\x{d800}-\x{dfff}\x{fdd0}-\x{fdef}]|\p{NChar}/;
    }
    return "specversion $event->{specversion}, expected 1.0" if $event->{specversion} ne '1.0';
    return 'source is no URI-reference' if $event->{source} !~ m{^(?:[\w.~:/?#\[\]@!\$&'()*+,;=-]|%[0-9A-Fa-f]{2})+\z}a;
    return 'dataschema is no absolute URI' if ($event->{dataschema} // 'a:') !~ m{^[A-Za-z][A-Za-z0-9+.-]*:(?:[\w.~:/?#\[\]@!\$&'()*+,;=-]|%[0-9A-Fa-f]{2})*\z}a;
    return 'time is no RFC 3339 timestamp' if defined $event->{time} && !timestamp($event->{time});
    return 'both data and data_base64' if defined $event->{data_base64} && defined $data;
    return 'data_base64 is no base64'  if defined $event->{data_base64} && !base64($event->{data_base64});
    my $type = $event->{datacontenttype};
    return "data is a $data, but datacontenttype is $type"
        if defined $data && $data ne 'string' && defined $type && $type !~ m{^[^;/]+/(?:[^;]*\+)?json\s*(?:;|\z)}i;
    return;
}

1;
