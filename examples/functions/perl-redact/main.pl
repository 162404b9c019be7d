#!/usr/bin/env perl
# Masks e-mail addresses and payment card numbers in text. Stream mode, encoding json, core Perl only.
use v5.36;
use FindBin;
use lib $FindBin::Bin;
use Wire qw(receive transmit malformed defect kind);

# ---- The job: an event in, an event out. It dies with [CODE, message] to fail the call.

sub handle ($event) {
    my $text = $event->{data};
    die ['INVALID_ARGUMENT', 'expected text as data, came ' . kind($text)] if kind($text) ne 'string';
    my $masked = 0;
    $text =~ s{[\w.+-]+@(\w[\w-]*(?:\.[\w-]+)+)}{ $masked++; "***\@$1" }ge;
    $text =~ s{\b(?:\d[ -]?){12,18}\d\b}{ luhn($&) ? do { $masked++; '[card]' } : $& }ge;
    return { %$event, type => 'com.example.text.redacted', data => $text, masked => $masked };
}

# The check digit tells card numbers from other long numbers.
sub luhn ($number) {
    my ($sum, $double) = (0, 0);
    for my $digit (reverse $number =~ /\d/g) {
        $sum += $double ? $digit * 2 - ($digit > 4 ? 9 : 0) : $digit;
        $double = !$double;
    }
    return $sum % 10 == 0;
}

# ---- The loop.

my %calls;      # by number: the calls that are open, and the last 1,024 that are over
my @over;       # the numbers of the latter, oldest first

# Our hello answers our input's, and a bad status there becomes ours: so the last stage's speaks for a whole pipeline.
my $theirs = receive('hello');
my $ready  = !$theirs                   ? status('UNAVAILABLE', 'stdin ended before a hello')
           : ($theirs->{fsi} // '') !~ /^1\.\d+\z/  ? status('FAILED_PRECONDITION', "expected fsi 1.x, came " . ($theirs->{fsi} // 'none'))
           :                              $theirs->{status} // {};
transmit({ call => 0, hello => { fsi => '1.0', producer => 'perl-redact/1.0', status => $ready } });
exit(Wire::cut() ? 65 : 1) if ($ready->{code} // 'OK') ne 'OK';

while (my $message = receive()) { take($message) }

# EOF on stdin: a call whose input was complete has its end already, the others will never be complete.
for my $id (grep { !$calls{$_}{ended} && !$calls{$_}{over} } sort keys %calls) {
    answer($id, end => status('ABORTED', 'stdin ended within the call'));
}
exit(Wire::cut() ? 65 : 0);

# One message. Its fields apply in the order of the specification.
sub take ($m) {
    my @fields = grep { exists $m->{$_} } qw(event chunk end cancel) or return;  # nothing that we know
    my $id     = $m->{call};
    my $unseen = !$calls{$id};
    my $call   = $calls{$id} //= { context => $m->{context}, results => 0 };
    return if $call->{cancelled};
    malformed("$fields[0] on call $id, whose input has ended") if $call->{over} && $fields[0] ne 'cancel';
    malformed("chunk on call $id without an event") if exists $m->{chunk} && !$call->{ended};

    my %reply;      # a unary call is one message, and one write, each way
    %reply = respond($call, $m) if $m->{event} && !$call->{ended};
    # An end that is not OK passes through as it came: so errors cross a pipeline. Exactly one end a call.
    $reply{end} //= $m->{end} if $m->{end} && !$call->{ended};
    answer($id, %reply) if %reply;
    if (my $cancel = $m->{cancel}) {
        # Copied on at once, whatever we owe: a busy stage behind us may be at work on this call.
        answer($id, cancel => $cancel);
        answer($id, end => status('CANCELLED', $cancel->{reason} // 'cancelled'))
            if !$call->{ended} && !($unseen && $fields[0] eq 'cancel');
        $call->{cancelled} = 1;
    }
    # Late messages of a call are told from a new call for a while, not for ever: memory is finite.
    if (($m->{end} || $m->{cancel}) && !$call->{over}++) { push @over, $id; delete $calls{ shift @over } if @over > 1024 }
}

# What the job makes of an event: fields for our message.
sub respond ($call, $m) {
    my $event = $m->{event};
    my $why   = $m->{more} ? 'data in pieces: the feature chunks is not declared' : defect($event);
    return end => status('INVALID_ARGUMENT', $why) if $why;
    my $result = eval { handle($event) };
    return end => status(@{$@}) if ref $@;
    if (!$result) { warn $@; return end => status('INTERNAL', 'the handler died') }
    # An id that is the same in every attempt lets whoever reads the result twice drop one.
    my $prefix = ($call->{context} // {})->{invocationId} // $event->{id};
    return event => { %$result, id => "$prefix/" . ++$call->{results}, causationid => $event->{id} };
}

# Write about a call. The context goes onto our first message for it, as it came.
sub answer ($id, %fields) {
    my $call = $calls{$id};
    $fields{context} = $call->{context} if !$call->{answered}++ && $call->{context};
    $call->{ended} = 1 if $fields{end};
    transmit({ call => $id + 0, %fields });
}

# A message is at most 4,096 bytes, whatever it quotes.
sub status ($code, $message) { return { code => $code, message => substr $message, 0, 1000 } }
