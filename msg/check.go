package msg

import (
	"strings"
	"unicode/utf8"
)

// CheckGroup checks whether a group name can be sent: UTF-8 without NUL, at most
// [MaxString] octets. The grammar allows the empty name as a group like any other.
// Names are case sensitive. The error is a *[StringError].
//
// pyre damages non-ASCII text that it sends, so a group that pyre nodes join needs an
// ASCII name.
func CheckGroup(group string) error {
	return checkString("group", group, MaxString)
}

// CheckName checks whether a node's name can be sent: UTF-8 without NUL, at most
// [MaxString] octets. The error is a *[StringError].
func CheckName(name string) error {
	return checkString("name", name, MaxString)
}

// CheckEndpoint checks whether an endpoint can be sent: UTF-8 without NUL, 1 to
// [MaxString] octets. It does not check that it is an endpoint. The error is a
// *[StringError].
func CheckEndpoint(endpoint string) error {
	if endpoint == "" {
		return &StringError{Field: "endpoint", Reason: ErrEmpty}
	}
	return checkString("endpoint", endpoint, MaxString)
}

// CheckHeader checks whether a header can be sent: both strings UTF-8 without NUL, the
// name of at most [MaxString] octets, the value of at most limits.LongString. The error
// is a *[StringError].
func CheckHeader(name, value string, limits Limits) error {
	if err := checkString("header name", name, MaxString); err != nil {
		return err
	}
	return checkString("header value", value, limits.orDefaults().LongString)
}

func checkString(field, value string, limit int) error {
	switch {
	case len(value) > limit:
		return &StringError{Field: field, Value: value, Limit: limit, Reason: ErrTooLong}
	case !utf8.ValidString(value):
		return &StringError{Field: field, Value: value, Reason: ErrNotUTF8}
	case strings.IndexByte(value, 0) >= 0:
		return &StringError{Field: field, Value: value, Reason: ErrNUL}
	}
	return nil
}
