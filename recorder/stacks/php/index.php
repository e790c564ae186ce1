<?php
// A shop in one file, with PHP's own sessions and nothing else. Each request reads the whole session when it begins, and PHP writes the
// whole session back when it ends. Whether another request of the same session may run in between is up to the session handler.

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header('x-node: ' . getenv('NODE'));
if ($path === '/health') {
    exit;
}

function read_body(): array {
    return json_decode(file_get_contents('php://input'), true) ?? [];
}

session_start(['use_strict_mode' => 1, 'cookie_httponly' => 1, 'gc_maxlifetime' => 1800]);
$body = read_body();
if ($path === '/login') {
    session_regenerate_id(true);
    $_SESSION = ['user' => $body['user'], 'value' => $body['value'], 'fields' => []];
    exit;
}
if (!isset($_SESSION['user'])) {
    // Nobody is logged in here. A session of a visitor is not kept.
    session_destroy();
    header_remove('set-cookie');
    http_response_code(401);
    exit;
}
// What an application does with a session takes time: a query, a call of another service.
usleep((int) getenv('WORK_MICROSECONDS'));
switch ($_SERVER['REQUEST_METHOD'] . ' ' . $path) {
    case 'GET /cart':
        header('content-type: application/json');
        echo json_encode(['value' => $_SESSION['value'], 'fields' => (object) $_SESSION['fields']]);
        break;
    case 'PUT /cart':
        $_SESSION['value'] = $body['value'];
        $_SESSION['fields'] = [];
        break;
    case 'PATCH /cart':
        $_SESSION['fields'][$body['field']] = $body['value'];
        break;
    case 'POST /renew':
        session_regenerate_id(true);
        break;
    case 'POST /logout':
        setcookie(session_name(), '', 1);
        session_destroy();
        break;
    default:
        http_response_code(404);
}
