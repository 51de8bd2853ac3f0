user = User.find_by_username('root')
current = PersonalAccessToken.find_by_token('@TOKEN@')
user.personal_access_tokens.active.where(name: 'auto-devops').where.not(id: current.id).each(&:revoke!)
